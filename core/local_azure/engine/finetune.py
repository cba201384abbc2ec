"""chat_completion_finetune: supervised fine-tuning with trl, of LoRA adapters or of the whole model.

Only the assistant's words are learned. On a CPU the frozen base model is kept in bfloat16 and whatever is trained in
float32; on a GPU the input `precision` decides. A run that was killed goes on from its last complete checkpoint.
"""

import logging
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.local_azure.engine.checkpoints import last_complete, prune_incomplete
from core.local_azure.engine.data_preprocess import longest_sequence, preprocessed
from core.local_azure.engine.inputs import Inputs
from core.local_azure.engine.model_import import imported, link_or_copy
from core.local_azure.engine.stopping import Stop
from core.local_azure.engine.tracking import Tracker
from core.local_azure.work import StageSpec

log = logging.getLogger(__name__)

STEPS_BETWEEN_CHECKPOINTS = 10
STEPS_BETWEEN_FULL_CHECKPOINTS = 50
KEPT_CHECKPOINTS = 2
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "config.json")


class Summary(msgspec.Struct, frozen=True):
    """What a fine-tune did; losses are means over the validation rows, None when nothing was evaluated."""

    steps: int
    train_rows: int
    loss_before: float | None
    loss_after: float | None


@dataclass(frozen=True)
class Precision:
    """Number formats: of the model's weights, and of mixed-precision training."""

    weights: str
    bf16: bool = False
    fp16: bool = False


def run(spec: StageSpec, inputs: Inputs, output: Path) -> None:
    """Write `model/` (the tuned model), `adapter/` (with LoRA) and `summary.json`.

    Raises SystemExit when told to stop, after writing a checkpoint.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    warnings.simplefilter("ignore", FutureWarning)
    log.info("loading torch, transformers, peft and trl")
    import torch
    from transformers import set_seed

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    set_seed(inputs.seed)
    train, validation = (preprocessed(spec, split) for split in ("train", "validation"))
    with Tracker(spec) as tracker, Stop() as stop:
        trainer = build(spec, inputs, train, validation, tracker, stop)
        summary = train_model(trainer, spec, inputs, stop)
        write(trainer, inputs, imported(spec)[0], output)
    (output / "summary.json").write_bytes(msgspec.json.encode(summary))


def build(
    spec: StageSpec, inputs: Inputs, train: list[Any], validation: list[Any], tracker: Tracker, stop: Stop
) -> Any:
    """Return trl's trainer for the job."""
    import torch
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoModelForCausalLM, EarlyStoppingCallback
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging as transformers_logging
    from trl import SFTConfig, SFTTrainer

    from core.local_azure.engine.callbacks import Checkpoints, Reporting, StopWhenTold

    disable_progress_bars()
    transformers_logging.disable_progress_bar()
    folder, origin = imported(spec)
    cuda = torch.cuda.is_available()
    precision = choose_precision(inputs, cuda=cuda, bf16=cuda and torch.cuda.is_bf16_supported())
    for line in ignored_on_this_device(inputs, cuda=cuda):
        log.info(line)
    tokenizer, template_marked = training_tokenizer(folder)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, precision.weights),
        ignore_mismatched_sizes=inputs.ignore_mismatched_sizes == "true",
    )
    steps = steps_per_epoch(len(train), inputs)
    limit = longest_sequence(folder, inputs)
    arguments = training_arguments(inputs, steps, evaluate=bool(validation))
    config = SFTConfig(
        output_dir=str(spec.folder / "checkpoints"),
        max_length=limit,
        pad_to_multiple_of=limit if inputs.pad_to_max_length == "true" else None,
        assistant_only_loss=template_marked,
        use_cpu=not cuda,
        bf16=precision.bf16,
        fp16=precision.fp16,
        auto_find_batch_size=cuda and inputs.auto_find_batch_size == "true",
        dataloader_pin_memory=cuda,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        **arguments,
    )
    callbacks = [Reporting(tracker), StopWhenTold(stop), Checkpoints(steps_between_checkpoints(inputs))]
    if inputs.apply_early_stopping == "true" and validation:
        callbacks.append(EarlyStoppingCallback(inputs.early_stopping_patience, inputs.early_stopping_threshold))
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(validation) if validation else None,
        processing_class=tokenizer,
        peft_config=lora(inputs) if inputs.apply_lora == "true" else None,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    trained = sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad)
    total = sum(weight.numel() for weight in trainer.model.parameters())
    log.info(
        "%s on %s with %d threads: %s of %s parameters are trained, %d rows, %d steps an epoch",
        *(origin.name, "cuda" if cuda else "cpu", torch.get_num_threads()),
        *(f"{trained:,}", f"{total:,}", len(train), steps),
    )
    return trainer


def train_model(trainer: Any, spec: StageSpec, inputs: Inputs, stop: Stop) -> Summary:
    """Train to the end, from the last complete checkpoint when there is one."""
    evaluated = trainer.args.eval_strategy != "no"
    checkpoints = spec.folder / "checkpoints"
    prune_incomplete(checkpoints)
    checkpoint = last_complete(checkpoints)
    if checkpoint is not None:
        log.info("going on from %s", checkpoint.name)
    elif inputs.resume_from_checkpoint == "true":
        log.info("resume_from_checkpoint: there is no checkpoint yet, training starts at step 0")
    before = loss_before(trainer, checkpoints / "loss_before.json") if evaluated else None
    with stop.deferred():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    stop.exit_if_told()
    state = trainer.state
    losses = [(entry["step"], entry["eval_loss"]) for entry in state.log_history if "eval_loss" in entry]
    if evaluated and (not losses or losses[-1][0] != state.global_step):
        losses.append((state.global_step, trainer.evaluate()["eval_loss"]))
    after = min((loss for _, loss in losses), default=None)
    if before is not None and after is not None:
        log.info("loss on the validation rows: %.4f before, %.4f after", before, after)
    return Summary(state.global_step, len(trainer.train_dataset), before, after)


def loss_before(trainer: Any, file: Path) -> float:
    """Return the loss on the validation rows before training; kept in `file`, since a restart cannot measure it."""
    if not file.is_file():
        loss = float(trainer.evaluate()["eval_loss"])
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(msgspec.json.encode(loss))
    return float(msgspec.json.decode(file.read_bytes()))


def write(trainer: Any, inputs: Inputs, base: Path, output: Path) -> None:
    """Write the tuned model with the base model's tokenizer, adapters merged into it and also on their own."""
    import torch

    model = trainer.accelerator.unwrap_model(trainer.model)
    if inputs.apply_lora == "true":
        model.save_pretrained(output / "adapter")
        log.info("merging the adapters into the model")
        model = model.merge_and_unload()
    folder = output / "model"
    model.to(torch.bfloat16).save_pretrained(folder)
    for file in base.iterdir():
        if file.is_file() and not any(file.match(pattern) for pattern in WEIGHT_FILES):
            (folder / file.name).unlink(missing_ok=True)
            link_or_copy(str(file), str(folder / file.name))


def training_tokenizer(folder: Path) -> tuple[Any, bool]:
    """Return the tokenizer with the template for training, and whether that marks the assistant's words."""
    from core.local_azure.engine import chat_template
    from core.local_azure.engine.data_preprocess import load_tokenizer

    tokenizer = load_tokenizer(folder)
    template = chat_template.for_training(tokenizer)
    if template is None:
        log.warning("the chat template of this model does not say where answers are: whole conversations are learned")
        return tokenizer, False
    tokenizer.chat_template = template
    return tokenizer, True


def training_arguments(inputs: Inputs, steps: int, *, evaluate: bool) -> dict[str, Any]:
    """Return the arguments of transformers' Trainer that the component's inputs stand for.

    With evaluation the best checkpoint is the result, as on Azure; `steps` is the number of steps in an epoch.
    """
    strategy = {"epoch": "epoch", "steps": "steps", "disable": "no"}[inputs.evaluation_strategy] if evaluate else "no"
    interval = inputs.evaluation_steps_interval
    eval_steps = max(1, round(interval * steps)) if interval else inputs.eval_steps
    return {
        "num_train_epochs": inputs.num_train_epochs,
        "max_steps": inputs.max_steps,
        "per_device_train_batch_size": inputs.per_device_train_batch_size,
        "per_device_eval_batch_size": inputs.per_device_eval_batch_size,
        "gradient_accumulation_steps": inputs.gradient_accumulation_steps,
        "eval_accumulation_steps": inputs.eval_accumulation_steps if inputs.eval_accumulation_steps > 0 else None,
        "optim": inputs.optim,
        "learning_rate": inputs.learning_rate,
        "warmup_steps": inputs.warmup_steps,
        "weight_decay": inputs.weight_decay,
        "adam_beta1": inputs.adam_beta1,
        "adam_beta2": inputs.adam_beta2,
        "adam_epsilon": inputs.adam_epsilon,
        "lr_scheduler_type": inputs.lr_scheduler_type,
        "max_grad_norm": inputs.max_grad_norm,
        "seed": inputs.seed,
        "full_determinism": inputs.enable_full_determinism == "true",
        "dataloader_num_workers": inputs.dataloader_num_workers,
        "logging_strategy": inputs.logging_strategy,
        "logging_steps": inputs.logging_steps,
        "eval_strategy": strategy,
        "eval_steps": eval_steps,
        "save_strategy": strategy,
        "save_steps": eval_steps,
        "save_total_limit": inputs.save_total_limit if inputs.save_total_limit > 0 else KEPT_CHECKPOINTS,
        "load_best_model_at_end": strategy != "no",
        "metric_for_best_model": "loss",
    }


def steps_per_epoch(rows: int, inputs: Inputs) -> int:
    """Return how many optimizer steps one pass over the training rows takes."""
    batches = math.ceil(rows / inputs.per_device_train_batch_size)
    return math.ceil(batches / inputs.gradient_accumulation_steps)


def steps_between_checkpoints(inputs: Inputs) -> int:
    """Return after how many steps a checkpoint is written: seldom for a whole model, which takes 1.6 GB for 135M."""
    return STEPS_BETWEEN_CHECKPOINTS if inputs.apply_lora == "true" else STEPS_BETWEEN_FULL_CHECKPOINTS


def choose_precision(inputs: Inputs, *, cuda: bool, bf16: bool) -> Precision:
    """Return the number formats to train with; weights that are trained stay in float32 until they are written.

    Measured on two CPU cores: a frozen base in bfloat16 trains 1.5 to 2 times as fast as one in float32.
    """
    frozen = inputs.apply_lora == "true"
    if not cuda:
        return Precision("bfloat16" if frozen else "float32")
    if inputs.precision == "32":
        return Precision("float32")
    half = "bfloat16" if bf16 else "float16"
    return Precision(half if frozen else "float32", bf16=bf16, fp16=not bf16)


def ignored_on_this_device(inputs: Inputs, *, cuda: bool) -> list[str]:
    """Return a line for each input that changes nothing on this device."""
    if cuda:
        return []
    lines = []
    if inputs.apply_lora == "true":
        lines.append("ignored: precision (on a CPU the base model is bfloat16 and the adapters are float32)")
    elif inputs.precision == "16":
        lines.append("ignored: precision (on a CPU a whole model is trained in float32)")
    if inputs.auto_find_batch_size == "true":
        lines.append("ignored: auto_find_batch_size (it reacts to a GPU that runs out of memory)")
    return lines


def lora(inputs: Inputs) -> Any:
    """Return peft's configuration: adapters on all linear layers."""
    from peft import LoraConfig

    return LoraConfig(
        r=inputs.lora_r,
        lora_alpha=inputs.lora_alpha,
        lora_dropout=inputs.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
