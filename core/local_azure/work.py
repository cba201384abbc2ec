"""What the wire asks the engine to do: the files and commands between the two.

The server starts every piece of work as its own process, so that it can be killed and so that torch never loads
in the server:

- a stage of the pipeline: ``python -m core.local_azure.engine stage SPEC`` where SPEC is a `StageSpec` as JSON.
  Standard output and error are the stage's log. Exit status 0 is success; otherwise the stage has written a
  `StageError` to ``{folder}/error.json``.
- a deployment: ``python -m core.local_azure.engine serve SPEC`` where SPEC is a `ServeSpec` as JSON. It answers
  ``GET /`` with 200 when ready, ``POST /score`` and ``POST /v1/chat/completions`` on 127.0.0.1, until terminated.
"""

from enum import StrEnum
from pathlib import Path

import msgspec


class Stage(StrEnum):
    """The five child jobs of `chat_completion_pipeline` 0.0.82, in the order in which they run."""

    VALIDATION = "ft_nlp_common_validation"
    MODEL_IMPORT = "chat_completion_model_import"
    DATA_PREPROCESS = "chat_completion_datapreprocess"
    FINETUNE = "chat_completion_finetune"
    MODEL_CONVERTER = "ft_nlp_model_converter"


class StageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one stage. All paths are absolute.

    `inputs` holds the component's inputs as the job gave them, merged over the component's defaults, every value a
    string; uri_file inputs are local paths; `mlflow_model_path` is an asset id
    (``azureml://registries/azureml/models/NAME/versions/V``) or a local folder.
    `folders` maps each stage of the same job to its folder; a stage reads its predecessors' ``output/`` and writes
    its own ``output/``. Metrics of this run go to ``{tracking_uri}/api/2.0/mlflow/runs/log-batch`` with `token` as
    bearer, verified against `ca_file`.
    """

    stage: Stage
    job: str
    run: str
    folder: Path
    folders: dict[Stage, Path]
    inputs: dict[str, str]
    tracking_uri: str
    token: str
    ca_file: Path


class StageError(msgspec.Struct, frozen=True):
    """Why a stage failed: `code` is UserError or SystemError as Azure's components say, `message` what to do."""

    code: str
    message: str


class ServeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment on 127.0.0.1:`port`.

    `model` is a registered model's folder (the converter's output) or a registry asset id.
    """

    model: str
    port: int
    folder: Path
