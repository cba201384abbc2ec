"""chat_completion_model_import: the base model's weights, as Hugging Face's libraries read them."""

import logging
import os
import shutil
from pathlib import Path

import msgspec

from core.local_azure.engine import weights
from core.local_azure.engine.inputs import Inputs
from core.local_azure.engine.progress import to_log
from core.local_azure.engine.validation import folder_of_model
from core.local_azure.work import Stage, StageSpec

log = logging.getLogger(__name__)


def run(spec: StageSpec, inputs: Inputs, output: Path) -> None:
    """Write `model/` and `origin.json`; raises ModelError when the weights cannot be had."""
    found = find(inputs)
    log.info("%s: weights from %s", found.origin.name, found.origin.source)
    log.info("licence: %s", found.origin.licence)
    if found.origin.note:
        log.info("%s", found.origin.note)
    shutil.copytree(found.folder, output / "model", copy_function=link_or_copy)
    (output / "origin.json").write_bytes(msgspec.json.encode(found.origin))


def find(inputs: Inputs) -> weights.Weights:
    """Return the weights that the job's model input names."""
    if inputs.huggingface_id is not None:
        return weights.fetch(inputs.huggingface_id.strip().rpartition("/")[2], to_log())
    given = inputs.mlflow_model_path or inputs.pytorch_model_path or ""
    name = weights.registry_model(given)
    if name is not None:
        return weights.fetch(name, to_log())
    folder = folder_of_model("mlflow_model_path" if inputs.mlflow_model_path else "pytorch_model_path", given)
    origin = Path(given) / "origin.json"
    if origin.is_file():
        return weights.Weights(folder, msgspec.json.decode(origin.read_bytes(), type=weights.Origin))
    return weights.Weights(folder, weights.Origin(Path(given).name, f"the folder {given}", "see the folder"))


def imported(spec: StageSpec) -> tuple[Path, weights.Origin]:
    """Return what this stage wrote for the later stages of the same job: the model's folder and its origin."""
    output = spec.folders[Stage.MODEL_IMPORT] / "output"
    return output / "model", msgspec.json.decode((output / "origin.json").read_bytes(), type=weights.Origin)


def link_or_copy(source: str, target: str) -> None:
    """Give a file a second name, so that a job needs no copy of the weights; copy it across file systems."""
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copy2(source, target)
