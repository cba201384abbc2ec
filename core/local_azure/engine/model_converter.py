"""ft_nlp_model_converter: the tuned model as an MLflow model, with a GGUF file that this machine can serve."""

import logging
import shutil
from pathlib import Path

import msgspec
import yaml

from core.local_azure.engine import to_gguf
from core.local_azure.engine.finetune import Summary
from core.local_azure.engine.inputs import Inputs
from core.local_azure.engine.model_import import imported, link_or_copy
from core.local_azure.engine.progress import to_log
from core.local_azure.engine.weights import Origin
from core.local_azure.work import Stage, StageSpec

log = logging.getLogger(__name__)


def run(spec: StageSpec, inputs: Inputs, output: Path) -> None:
    """Write `MLmodel`, `model/`, `model.gguf`, `README.md` and `origin.json`.

    A model that cannot be served here is written without `model.gguf`, and the log says why.
    """
    tuned = spec.folders[Stage.FINETUNE] / "output"
    _, origin = imported(spec)
    summary = msgspec.json.decode((tuned / "summary.json").read_bytes(), type=Summary)
    for folder in ("model", "adapter"):
        if (tuned / folder).is_dir():
            shutil.copytree(tuned / folder, output / folder, copy_function=link_or_copy)
    try:
        to_gguf.write_gguf(output / "model", output / "model.gguf", f"{origin.name} tuned by {spec.job}", to_log())
    except to_gguf.NotServable as error:
        log.warning("%s The model can be downloaded and used elsewhere, but not deployed here.", error)
    (output / "origin.json").write_bytes(msgspec.json.encode(origin))
    (output / "README.md").write_text(model_card(spec, inputs, origin, summary))
    (output / "MLmodel").write_text(yaml.safe_dump(mlmodel(spec, origin, output / "model"), sort_keys=False))
    log.info("wrote the MLflow model of %s", spec.job)


def mlmodel(spec: StageSpec, origin: Origin, model: Path) -> dict[str, object]:
    """Return the content of the MLmodel file, in the shape that Azure's converter writes for chat models."""
    config = msgspec.json.decode((model / "config.json").read_bytes())
    return {
        "flavors": {
            "hftransformersv2": {
                "config_class": "AutoConfig",
                "hf_config_class": "AutoConfig",
                "hf_pretrained_class": config["architectures"][0],
                "hf_tokenizer_class": "AutoTokenizer",
                "model_data": "model",
                "task_type": "chat-completion",
            },
        },
        "metadata": {
            "azureml.base_image": "none: this model is served on the machine that tuned it",
            "base_model_name": origin.name,
            "base_model_task": "chat-completion",
            "license": origin.licence,
        },
        "run_id": spec.run,
    }


def model_card(spec: StageSpec, inputs: Inputs, origin: Origin, summary: Summary) -> str:
    """Return the model card in Markdown: what it is made of, how it was trained, and under which licence it is."""
    method = f"LoRA (r {inputs.lora_r}, alpha {inputs.lora_alpha})" if inputs.apply_lora == "true" else "all weights"
    lines = [
        "---",
        f"license: {origin.licence if ' ' not in origin.licence else 'other'}",
        f"base_model: {origin.name}",
        "---",
        f"# {origin.name}, fine-tuned by job {spec.job}",
        "",
        f"Base model: {origin.name}, from {origin.source}. Licence: {origin.licence}.",
        *([origin.note] if origin.note else []),
        "",
        f"Trained: {method}, {summary.train_rows} rows, {summary.steps} steps, learning rate {inputs.learning_rate:g}, "
        f"seed {inputs.seed}.",
    ]
    if summary.loss_before is not None and summary.loss_after is not None:
        lines.append(f"Loss on the validation rows: {summary.loss_before:.4f} before, {summary.loss_after:.4f} after.")
    return "\n".join(lines) + "\n"
