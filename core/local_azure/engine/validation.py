"""ft_nlp_common_validation: everything that can be refused before any work is done."""

import logging
from pathlib import Path

from core.errors import InputError
from core.local_azure.engine import weights
from core.local_azure.engine.inputs import Inputs, ignored
from core.local_azure.engine.rows import read_rows
from core.local_azure.work import StageSpec

log = logging.getLogger(__name__)


def run(spec: StageSpec, inputs: Inputs, output: Path) -> None:
    """Check the files and the model that the inputs name, and say which inputs change nothing here.

    Raises InputError or DatasetError naming the input and what it accepts.
    """
    for line in ignored(inputs):
        log.info(line)
    for name in ("train_file_path", "validation_file_path", "test_file_path"):
        path = getattr(inputs, name)
        if path is not None:
            log.info("%s: %d rows", name, len(read_rows(Path(path), name)))
    if inputs.mlflow_model_path is not None and weights.registry_model(inputs.mlflow_model_path) is None:
        folder_of_model("mlflow_model_path", inputs.mlflow_model_path)
    if inputs.pytorch_model_path is not None:
        folder_of_model("pytorch_model_path", inputs.pytorch_model_path)
    (output / "validated.txt").write_text(f"{spec.job}\n")
    log.info("The inputs are valid.")


def folder_of_model(input_name: str, path: str) -> Path:
    """Return the Hugging Face folder within a model folder; raises InputError when there is none."""
    folder = weights.hugging_face_folder(Path(path))
    if folder is None:
        raise InputError(
            f"{input_name}: {path} holds no model.",
            why="No config.json was found in it, in model/ or in data/model/.",
            next="Give an asset id of a registry model, or the folder of a registered one.",
            field=input_name,
        )
    return folder
