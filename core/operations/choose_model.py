"""Choose the base model, and say when it is retired."""

from dataclasses import dataclass
from datetime import date, timedelta

from core.azure.types import FoundationModel
from core.services import Services

_SOON = timedelta(days=90)


def choose_model(services: Services, name: str = "", version: str = "") -> FoundationModel:
    """Return the base model `name`, the team's own setting when none is named.

    Raises ModelError when the registry has none of that name.
    """
    return services.azure.foundation_model(name or services.settings.model, version or None)


@dataclass(frozen=True)
class Retirement:
    """What of a model has ended on `today`, and what people should be warned of."""

    finetune_ended: bool
    inference_ended: bool
    warnings: tuple[str, ...]


def retirement(model: FoundationModel, today: date) -> Retirement:
    """Return what the model's retirement dates and archived flag mean today."""
    warnings = []
    for use, day in (("fine-tuning", model.finetune_retirement), ("deployment", model.inference_retirement)):
        if day is not None and day <= today:
            warnings.append(f"{model.name} was retired for {use} on {day}; Azure may refuse it.")
        elif day is not None and day - today <= _SOON:
            warnings.append(f"{model.name} retires for {use} on {day}.")
    if model.archived:
        warnings.append(f"{model.name} version {model.version} is archived in the registry.")
    return Retirement(
        finetune_ended=model.finetune_retirement is not None and model.finetune_retirement <= today,
        inference_ended=model.inference_retirement is not None and model.inference_retirement <= today,
        warnings=tuple(warnings),
    )
