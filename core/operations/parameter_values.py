"""What values the component's inputs take: types and limits of one, rules between two, the model's own warnings."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.azure.types import ComponentInput, FoundationModel
from core.errors import InputError

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LONGEST_TEXT = 200


@dataclass(frozen=True)
class Limit:
    """The values an input takes beyond its specification: from `least` (when `above`, without it) to below `most`."""

    least: float
    most: float = math.inf
    above: bool = False
    also: float | None = None
    """One value out of these limits that means "not used"."""

    def allows(self, value: float) -> bool:
        """Return whether `value` is within."""
        return value == self.also or ((value > self.least if self.above else value >= self.least) and value < self.most)

    def __str__(self) -> str:
        """Say the limits in words."""
        words = f"{'above' if self.above else 'at least'} {self.least:g}"
        words += f" and below {self.most:g}" if self.most < math.inf else ""
        return words + (f", or {self.also:g} for no limit" if self.also is not None else "")


# From the component's finetune.py (learning rate) and transformers' TrainingArguments and peft's LoraConfig.
_LIMITS = {
    "learning_rate": Limit(0, above=True),
    "max_steps": Limit(1, also=-1),
    "max_seq_length": Limit(1, also=-1),
    "save_total_limit": Limit(1, also=-1),
    "eval_accumulation_steps": Limit(1, also=-1),
    "gradient_accumulation_steps": Limit(1),
    "eval_steps": Limit(1),
    "logging_steps": Limit(1),
    "early_stopping_patience": Limit(1),
    "evaluation_steps_interval": Limit(0),
    "warmup_steps": Limit(0),
    "weight_decay": Limit(0),
    "max_grad_norm": Limit(0),
    "dataloader_num_workers": Limit(0),
    "adam_epsilon": Limit(0, above=True),
    "adam_beta1": Limit(0, 1),
    "adam_beta2": Limit(0, 1),
    "lora_r": Limit(1),
    "lora_alpha": Limit(1),
    "lora_dropout": Limit(0, 1),
    "seed": Limit(0, 2**32),
}


def checked_value(one: ComponentInput, given: str) -> str:
    """Return `given` as the component writes it; raises InputError that says what the input takes."""
    value = given.strip()
    if one.enum:
        found = next((choice for choice in one.enum if choice.casefold() == value.casefold()), None)
        if found is None:
            raise _wrong(one, given, f"one of {', '.join(one.enum)}")
        return found
    if one.type == "integer":
        if not _INTEGER.fullmatch(value):
            raise _wrong(one, given, "a whole number")
        value = str(int(value))
    elif one.type == "number":
        if not _NUMBER.fullmatch(value) or not math.isfinite(float(value)):
            raise _wrong(one, given, "a number")
    elif not value or len(value) > _LONGEST_TEXT:
        raise _wrong(one, given, f"a text of 1 to {_LONGEST_TEXT} characters")
    if one.type in ("integer", "number"):
        _check_limits(one, given, float(value))
    return value


def _check_limits(one: ComponentInput, given: str, value: float) -> None:
    if one.minimum is not None and value < one.minimum:
        raise _wrong(one, given, f"at least {one.minimum:g}")
    if one.maximum is not None and value > one.maximum:
        raise _wrong(one, given, f"at most {one.maximum:g}")
    limit = _LIMITS.get(one.name)
    if limit is not None and not limit.allows(value):
        raise _wrong(one, given, str(limit))


def _wrong(one: ComponentInput, given: str, takes: str) -> InputError:
    return InputError(
        f"`{one.name}` cannot be `{given.strip()[:60]}`.",
        why=f"It takes {takes}.",
        next=f"Its default is {one.default}." if one.default is not None else "",
        field=one.name,
    )


def cross_rules(values: Mapping[str, str]) -> None:
    """Raise InputError for a pair of values that the component refuses on the node (its src/finetune/finetune.py)."""

    def on(name: str) -> bool:
        return values.get(name) == "true"

    if on("apply_early_stopping") and values.get("evaluation_strategy") == "disable":
        raise InputError(
            "Early stopping needs evaluations.",
            why="`apply_early_stopping` is true and `evaluation_strategy` is disable.",
            next="Set `evaluation_strategy=epoch` or `apply_early_stopping=false`.",
            field="apply_early_stopping",
        )
    if on("apply_deepspeed") and on("auto_find_batch_size"):
        raise InputError(
            "DeepSpeed and `auto_find_batch_size` exclude each other.",
            why="The component stops when both are true.",
            next="Set `apply_deepspeed=false` or `auto_find_batch_size=false`.",
            field="auto_find_batch_size",
        )
    if on("apply_deepspeed") and on("apply_ort") and values.get("deepspeed_stage") == "3":
        raise InputError(
            "DeepSpeed stage 3 and ONNX Runtime exclude each other.",
            why="The component stops when both are on.",
            next="Set `apply_ort=false` or `deepspeed_stage=2`.",
            field="apply_ort",
        )


def model_warnings(values: Mapping[str, str], model: FoundationModel, given: frozenset[str]) -> tuple[str, ...]:
    """Return what is allowed but probably not meant; `given` are the names that the user set."""
    warnings = []
    rate = float(values.get("learning_rate") or "nan")
    least, most = _default(model, "learning_rate_min", -math.inf), _default(model, "learning_rate_max", math.inf)
    if rate < least or rate > most:
        warnings.append(f"learning_rate {rate:g} is outside of what {model.name} is meant for ({least:g} to {most:g}).")
    length = int(values.get("max_seq_length") or -1)
    if model.context_length is not None and length > model.context_length:
        warnings.append(
            f"max_seq_length {length} is more than the {model.context_length} tokens {model.name} can read."
        )
    if "batch_size" in given:
        warnings.append("batch_size is the tokenizer's; rows per training step are per_device_train_batch_size.")
    if values.get("apply_ort") == "true":
        warnings.append("apply_ort is accepted and ignored: the component always switches ONNX Runtime off.")
    return tuple(warnings)


def _default(model: FoundationModel, name: str, otherwise: float) -> float:
    try:
        return float(model.defaults.get(name, otherwise))
    except ValueError:
        return otherwise
