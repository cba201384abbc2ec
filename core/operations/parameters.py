"""The parameters of a fine-tune, each with where its value comes from; pure, and checked before anything is sent.

The SDK checks neither enumerations nor minimums, so that a wrong value would show on a paid GPU node an hour later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import process

from core.azure.types import Component, ComponentInput, FoundationModel
from core.errors import InputError
from core.operations.parameter_values import checked_value, cross_rules, model_warnings

Source = Literal["component", "model", "user"]

_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_SET_BY_THE_BOT = frozenset({"task_name", "huggingface_id", "number_of_gpu_to_use_finetuning"})
_SET_BY_THE_BOT_PREFIXES = ("compute_", "instance_type_")
# What people call these; the nearest spelling would be another parameter.
_ALSO_CALLED = {
    "lr": "learning_rate",
    "epochs": "num_train_epochs",
    "num_epochs": "num_train_epochs",
    "train_batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "lora_rank": "lora_r",
    "rank": "lora_r",
    "scheduler": "lr_scheduler_type",
    "optimizer": "optim",
    "nodes": "num_nodes_finetune",
}


@dataclass(frozen=True)
class Parameter:
    """One input of the component with its value, as the component writes values: `true` and `false` are strings."""

    name: str
    value: str
    source: Source


@dataclass(frozen=True)
class Dropped:
    """A default of the model that is not sent, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Resolved:
    """All parameters of a job, in the component's order, the model's defaults that were dropped, and warnings."""

    values: tuple[Parameter, ...]
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]

    def value(self, name: str) -> str:
        """Return the value of parameter `name`; empty when the component has no such input or it has no value."""
        return next((one.value for one in self.values if one.name == name), "")

    def whole(self, name: str, otherwise: int) -> int:
        """Return an integer parameter; `otherwise` when the component has no such input."""
        return int(self.value(name) or otherwise)


def resolve_parameters(component: Component, model: FoundationModel, user: Mapping[str, str]) -> Resolved:
    """Return every parameter: the component's defaults, over them the model's, over them the user's.

    Raises InputError for a parameter the component does not have, a value it does not take, or a forbidden pair.
    """
    settable = {name: one for name, one in component.inputs.items() if is_settable(one)}
    from_model, dropped = _model_defaults(component, settable, model)
    from_user = {name: checked_value(settable[name], value) for name, value in _named(settable, user).items()}
    values = tuple(
        _parameter(one, from_model.get(name), from_user.get(name))
        for name, one in settable.items()
        if name in from_user or name in from_model or one.default is not None
    )
    merged = {one.name: one.value for one in values}
    cross_rules(merged)
    return Resolved(values, dropped, model_warnings(merged, model, given=frozenset(from_user)))


def is_settable(one: ComponentInput) -> bool:
    """Return whether people may set this input; files, models, computes and GPU counts are the bot's to set."""
    return (
        one.type in _SCALARS and one.name not in _SET_BY_THE_BOT and not one.name.startswith(_SET_BY_THE_BOT_PREFIXES)
    )


def _parameter(one: ComponentInput, from_model: str | None, from_user: str | None) -> Parameter:
    if from_user is not None:
        return Parameter(one.name, from_user, "user")
    if from_model is not None:
        return Parameter(one.name, from_model, "model")
    return Parameter(one.name, one.default or "", "component")


def _model_defaults(
    component: Component, settable: Mapping[str, ComponentInput], model: FoundationModel
) -> tuple[dict[str, str], tuple[Dropped, ...]]:
    """Return the model's defaults that the component takes, and those it does not (learning_rate_min, ...)."""
    taken: dict[str, str] = {}
    dropped: list[Dropped] = []
    for name, value in model.defaults.items():
        if name in settable:
            try:
                taken[name] = checked_value(settable[name], value)
            except InputError as error:
                dropped.append(Dropped(name, f"{component.name} {component.version} does not take it: {error.what}"))
        elif name in component.inputs:
            dropped.append(Dropped(name, "the bot sets it"))
        else:
            dropped.append(Dropped(name, f"{component.name} {component.version} has no such input"))
    return taken, tuple(dropped)


def _named(settable: Mapping[str, ComponentInput], user: Mapping[str, str]) -> dict[str, str]:
    """Return the user's parameters under the component's names; raises InputError for a name it does not have."""
    found: dict[str, str] = {}
    for given, value in user.items():
        name = given.strip().lower().replace("-", "_")
        if name not in settable:
            raise _unknown(given, name, settable)
        if name in found:
            raise InputError(f"`{name}` is given twice.", field=name)
        found[name] = value
    return found


def _unknown(given: str, name: str, settable: Mapping[str, ComponentInput]) -> InputError:
    if name in _SET_BY_THE_BOT or name.startswith(_SET_BY_THE_BOT_PREFIXES) or name.endswith("_path"):
        return InputError(
            f"`{given}` is not a parameter to set.",
            why="The bot sets it from the model, the compute and the dataset.",
            next="Name those with `model=`, `compute=` and `dataset=`.",
            field=given,
        )
    also = _ALSO_CALLED.get(name, "")
    nearest = (
        [also]
        if also in settable
        else [match[0] for match in process.extract(name, list(settable), limit=1, score_cutoff=60)]
    )
    return InputError(
        f"There is no parameter `{given}`.",
        why="The pipeline component has no such input.",
        next=f"Did you mean `{nearest[0]}`?" if nearest else "The plan of a fine-tune lists all parameters.",
        field=given,
    )
