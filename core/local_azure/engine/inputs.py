"""The inputs of `chat_completion_pipeline` 0.0.82: types, what they accept, and what cannot apply here.

Types, defaults, enumerations and minimums are the component's own
(azureml://registries/azureml/components/chat_completion_pipeline/versions/0.0.82); the rules between inputs are those
of its `src/finetune/finetune.py`. A few numbers are bounded more tightly than in the component (a LoRA rank of 0, a
dropout of 1), where training would only fail later.
"""

import math
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Literal, get_args, get_origin

import msgspec

from core.errors import InputError

Flag = Literal["true", "false"]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, lt=1)]
OrMinusOne = Annotated[int, msgspec.Meta(ge=-1)]


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Every input of the component with its default; paths and the model are None when not given."""

    task_name: Literal["ChatCompletion"]

    instance_type_model_import: str = "Standard_d12_v2"
    instance_type_preprocess: str = "Standard_d12_v2"
    instance_type_finetune: str = "Standard_nc24rs_v3"
    instance_type_model_evaluation: str = "Standard_nc24rs_v3"
    shm_size_finetune: str = "5g"
    num_nodes_finetune: AtLeastOne = 1
    # The component's minimum is 1; this machine's size may say that it has no GPU, and 0 means that.
    number_of_gpu_to_use_finetuning: Annotated[int, msgspec.Meta(ge=0)] = 1
    compute_model_import: str = "serverless"
    compute_preprocess: str = "serverless"
    compute_finetune: str = "serverless"
    compute_model_evaluation: str = "serverless"

    huggingface_id: str | None = None
    pytorch_model_path: str | None = None
    mlflow_model_path: str | None = None
    finetune_config_path: str | None = None
    trust_remote_code: Flag = "false"
    ignore_mismatched_sizes: Flag = "false"

    train_file_path: str | None = None
    validation_file_path: str | None = None
    test_file_path: str | None = None
    train_mltable_path: str | None = None
    validation_mltable_path: str | None = None
    test_mltable_path: str | None = None
    batch_size: AtLeastOne = 1000
    pad_to_max_length: Flag = "false"
    max_seq_length: OrMinusOne = -1

    apply_lora: Flag = "false"
    merge_lora_weights: Flag = "true"
    lora_alpha: AtLeastOne = 128
    lora_r: AtLeastOne = 8
    lora_dropout: Fraction = 0.0

    num_train_epochs: AtLeastOne = 1
    max_steps: OrMinusOne = -1
    per_device_train_batch_size: AtLeastOne = 1
    per_device_eval_batch_size: AtLeastOne = 1
    auto_find_batch_size: Flag = "false"
    optim: Literal["adamw_torch", "adafactor"] = "adamw_torch"
    learning_rate: Positive = 2e-5
    warmup_steps: Annotated[int, msgspec.Meta(ge=0)] = 0
    weight_decay: NotNegative = 0.0
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.999
    adam_epsilon: Positive = 1e-8
    gradient_accumulation_steps: AtLeastOne = 1
    eval_accumulation_steps: OrMinusOne = -1
    lr_scheduler_type: Literal[
        "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"
    ] = "linear"
    precision: Literal["32", "16"] = "32"
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 42
    enable_full_determinism: Flag = "false"
    dataloader_num_workers: Annotated[int, msgspec.Meta(ge=0)] = 0
    max_grad_norm: NotNegative = 1.0
    evaluation_strategy: Literal["epoch", "steps", "disable"] = "epoch"
    evaluation_steps_interval: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    eval_steps: AtLeastOne = 500
    logging_strategy: Literal["epoch", "steps"] = "steps"
    logging_steps: AtLeastOne = 10
    metric_for_best_model: Literal["loss", "f1", "exact"] = "loss"
    resume_from_checkpoint: Flag = "false"
    save_total_limit: OrMinusOne = -1
    apply_early_stopping: Flag = "false"
    early_stopping_patience: AtLeastOne = 1
    early_stopping_threshold: NotNegative = 0.0

    apply_deepspeed: Flag = "false"
    deepspeed: str | None = None
    deepspeed_stage: Literal["2", "3"] = "2"
    apply_ort: Flag = "false"
    evaluation_config: str | None = None
    evaluation_config_params: str | None = None


ONE_MACHINE = "the work runs on this machine"
NOT_EVALUATED = "the component accepts it and evaluates nothing"
IGNORED: Mapping[str, str] = {
    "instance_type_model_import": ONE_MACHINE,
    "instance_type_preprocess": ONE_MACHINE,
    "instance_type_finetune": ONE_MACHINE,
    "instance_type_model_evaluation": ONE_MACHINE,
    "shm_size_finetune": ONE_MACHINE,
    "num_nodes_finetune": "there is one node, this machine",
    "number_of_gpu_to_use_finetuning": "one device trains here",
    "finetune_config_path": "the settings it could hold are fixed here",
    "trust_remote_code": "only architectures that transformers ships are loaded here",
    "merge_lora_weights": "the merged model is always written, since that is what a deployment here serves",
    "metric_for_best_model": "the loss is the only metric computed during training",
    "apply_deepspeed": "DeepSpeed shards a model over GPUs and one device trains here",
    "deepspeed": "DeepSpeed shards a model over GPUs and one device trains here",
    "deepspeed_stage": "DeepSpeed shards a model over GPUs and one device trains here",
    "apply_ort": "the component itself switches ONNX Runtime off",
    "evaluation_config": NOT_EVALUATED,
    "evaluation_config_params": NOT_EVALUATED,
}
"""Inputs that are accepted and change nothing here, each with the reason."""


def read(values: Mapping[str, str]) -> Inputs:
    """Return the inputs of one job.

    Raises InputError naming every input that is unknown, has a value outside of what it accepts, or contradicts
    another one. An empty value counts as not given.
    """
    given = {name: value for name, value in values.items() if value != ""}
    fields = {field.name: field for field in msgspec.structs.fields(Inputs)}
    problems = [f"{name} is not an input of chat_completion_pipeline 0.0.82" for name in sorted(given.keys() - fields)]
    accepted: dict[str, object] = {}
    for name, field in fields.items():
        if name not in given:
            if field.required:
                problems.append(f"{name} is required and accepts {describe(field.type)}")
            continue
        try:
            value = msgspec.convert(given[name], field.type, strict=False)
        except msgspec.ValidationError:
            problems.append(f"{name} accepts {describe(field.type)}, not {given[name]!r}")
            continue
        if isinstance(value, float) and not math.isfinite(value):
            problems.append(f"{name} accepts {describe(field.type)}, not {given[name]!r}")
        accepted[name] = value
    if not problems:
        inputs = Inputs(**accepted)  # type: ignore[arg-type]
        problems = contradictions(inputs)
    if problems:
        raise InputError("The inputs of the job are not valid.", why="; ".join(problems) + ".")
    return inputs


def contradictions(inputs: Inputs) -> list[str]:
    """Return what the inputs ask for that cannot be had together, one sentence part for each."""
    problems = []
    models = ("mlflow_model_path", "pytorch_model_path", "huggingface_id")
    given = [name for name in models if getattr(inputs, name) is not None]
    if len(given) != 1:
        problems.append(f"exactly one of {', '.join(models)} is needed, given: {', '.join(given) or 'none'}")
    tables = [name for name in ("train", "validation", "test") if getattr(inputs, f"{name}_mltable_path") is not None]
    problems += [f"{name}_mltable_path cannot be read on this machine, give {name}_file_path" for name in tables]
    if inputs.train_file_path is None and not tables:
        problems.append("train_file_path is needed: a JSON lines file whose rows have messages")
    if inputs.apply_early_stopping == "true" and inputs.evaluation_strategy == "disable":
        problems.append("apply_early_stopping needs evaluation_strategy epoch or steps, not disable")
    if inputs.apply_deepspeed == "true" and inputs.auto_find_batch_size == "true":
        problems.append("apply_deepspeed and auto_find_batch_size cannot both be true")
    if inputs.apply_deepspeed == "true" and inputs.deepspeed_stage == "3" and inputs.apply_ort == "true":
        problems.append("deepspeed_stage 3 and apply_ort cannot be combined")
    problems += [
        f"{name} accepts -1 or at least 1, not 0"
        for name in ("max_steps", "max_seq_length", "save_total_limit", "eval_accumulation_steps")
        if getattr(inputs, name) == 0
    ]
    return problems


def ignored(inputs: Inputs) -> list[str]:
    """Return a line "ignored: NAME (why)" for each input that was given a value and changes nothing here."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Inputs)}
    return [f"ignored: {name} ({why})" for name, why in IGNORED.items() if getattr(inputs, name) != defaults[name]]


def describe(annotation: object) -> str:
    """Return what a field's type accepts, in words."""
    if get_origin(annotation) is Literal:
        choices = [str(choice) for choice in get_args(annotation)]
        return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
    if isinstance(annotation, UnionType):
        return "text"
    if get_origin(annotation) is not Annotated:
        return "text"
    kind, meta = get_args(annotation)
    bounds = [
        f"{words} {bound:g}"
        for words, bound in (
            ("at least", meta.ge),
            ("more than", meta.gt),
            ("at most", meta.le),
            ("less than", meta.lt),
        )
        if bound is not None
    ]
    return f"{'an integer' if kind is int else 'a number'} {' and '.join(bounds)}"
