"""Runs one stage of the pipeline: its inputs read, its output complete or absent, its error written down."""

import importlib
import logging
import shutil

from core.local_azure.engine import inputs
from core.local_azure.work import Stage, StageSpec

log = logging.getLogger(__name__)

MODULES = {
    Stage.VALIDATION: "validation",
    Stage.MODEL_IMPORT: "model_import",
    Stage.DATA_PREPROCESS: "data_preprocess",
    Stage.FINETUNE: "finetune",
    Stage.MODEL_CONVERTER: "model_converter",
}
"""The module of each stage; imported only when it runs, since importing torch takes seconds."""


def run(spec: StageSpec) -> None:
    """Run the stage; `output/` appears by a rename when it is complete, so a killed stage is simply run again.

    A stage whose output exists is done and is not run again.
    """
    output = spec.folder / "output"
    if output.is_dir():
        log.info("%s was already done", spec.stage)
        return
    partial = spec.folder / "output.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    module = importlib.import_module(f"core.local_azure.engine.{MODULES[spec.stage]}")
    module.run(spec, inputs.read(spec.inputs), partial)
    partial.replace(output)
