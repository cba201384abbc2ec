"""Foundation models and the fine-tuning component of the registry: what their tags and specification say."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

from rapidfuzz import process

from core.azure.errors import calling, is_not_found
from core.azure.types import Component, ComponentInput, FoundationModel
from core.errors import AzureError, ModelError

if TYPE_CHECKING:
    from core.azure.clients import Clients

# The public registry has thousands of models; a suggestion is not worth reading them all.
_SUGGEST_AMONG = 200
_SEGMENT = re.compile(r"\w[\w.-]{0,254}", re.ASCII)


def foundation_model(clients: Clients, name: str, version: str | None) -> FoundationModel:
    """Return the model `name`, its latest version when `version` is None; raises `ModelError` when there is none."""
    # Both become parts of an address: "../" in them would lead to another one.
    if not all(_SEGMENT.fullmatch(part) for part in (name, version or "1")):
        raise _unknown(clients, name, version)
    with calling(f"read the model {name}"):
        models = clients.registry.models
        from azure.ai.ml.exceptions import ValidationException

        try:
            if version is None:
                version = _latest(models, name)
            # The SDK's entity drops isArchived and systemMetadata, so the answer itself is read.
            resource = models._get(name, version)
        except ValidationException as error:
            raise _unknown(clients, name, version) from error
        except Exception as error:
            if is_not_found(error):
                raise _unknown(clients, name, version) from error
            raise
    return parse_foundation_model(name, version, str(resource.id), resource.properties)


def _latest(models: Any, name: str) -> str:
    """Return the newest version of a model, an archived one only if there is no other."""
    from azure.ai.ml.constants import ListViewType
    from azure.ai.ml.exceptions import ValidationException

    try:
        return str(models.get(name, label="latest").version)
    except ValidationException:
        # The label looks only at versions that are not archived, as a retired model's all are.
        archived = next(iter(models.list(name=name, list_view_type=ListViewType.ARCHIVED_ONLY)), None)
        if archived is None:
            raise
        return str(archived.version)


def parse_foundation_model(name: str, version: str, id: str, properties: Mapping[str, Any]) -> FoundationModel:
    """Return the model that the registry describes with `properties`, the model version's own JSON.

    The allow-lists were tags until June 2026 and are in `systemMetadata.supportedComputes` since (azure-assets #5150).
    """
    tags = _texts(properties.get("tags"))
    facts = {**_texts(properties.get("properties")), **tags}
    metadata = _mapping(properties.get("systemMetadata"))
    supported = _mapping(metadata.get("supportedComputes"))
    everything = {**facts, **_texts(metadata)}
    return FoundationModel(
        name=name,
        version=version,
        id=id,
        tags=tags,
        finetune_sizes=_sizes(facts.get("finetune_compute_allow_list"), supported.get("finetuneComputes")),
        inference_sizes=_sizes(facts.get("inference_compute_allow_list"), supported.get("inferenceComputes")),
        defaults=_texts(_literal(facts.get("model_specific_defaults"))),
        archived=_is_true(properties.get("isArchived")) or _is_true(everything.get("isArchived")),
        finetune_retirement=_date(_any(everything, "finetuneRetirementDate", "finetune_retirement_date")),
        inference_retirement=_date(_any(everything, "inferenceRetirementDate", "inference_retirement_date")),
        context_length=_context_length(everything),
    )


def component(clients: Clients, name: str, version: str | None) -> Component:
    """Return the registry's component `name`, its latest version when `version` is None."""
    with calling(f"read the component {name}"):
        found = component_entity(clients, name, version)
    return Component(name, str(found.version), str(found.id), parse_inputs(found.inputs))


def component_entity(clients: Clients, name: str, version: str | None) -> Any:
    """Return the SDK's own component, which a pipeline calls; raises what the SDK raises."""
    components = clients.registry.components
    return components.get(name, version) if version else components.get(name, label="latest")


def parse_inputs(inputs: Mapping[str, Any]) -> dict[str, ComponentInput]:
    """Return the inputs of an SDK component; the registry gives scalars as strings ("False", "0.01")."""
    return {
        name: ComponentInput(
            name=name,
            type=str(found.type),
            default=None if found.default is None else str(found.default),
            enum=tuple(str(one) for one in found.enum or ()),
            minimum=_number(found.min),
            maximum=_number(found.max),
            # The SDK takes a missing "optional" for required.
            optional=_is_true(found.optional) or found.default is not None,
        )
        for name, found in inputs.items()
    }


def _unknown(clients: Clients, name: str, version: str | None) -> ModelError:
    which = f"{name} version {version}" if version else name
    near: list[str] = []
    # Only a suggestion: without it the answer is the same.
    with suppress(AzureError), calling("list the registry's models"):
        names = [str(model.name) for model in islice(clients.registry.models.list(), _SUGGEST_AMONG)]
        near = [match[0] for match in process.extract(name, names, limit=3, score_cutoff=60)]
    return ModelError(
        f"The registry {clients.registry_name} has no model {which}.",
        why="Names are exact, capitals included." if not version else "",
        next=f"Did you mean {' or '.join(near)}?" if near else "Look the name up in the studio's model catalog.",
    )


def _sizes(*places: Any) -> tuple[str, ...] | None:
    for place in places:
        found = _literal(place)
        if isinstance(found, str):
            found = [part.strip() for part in found.strip("[]").split(",") if part.strip()]
        if isinstance(found, Iterable) and not isinstance(found, Mapping | str):
            return tuple(str(size) for size in found)
    return None


def _literal(value: Any) -> Any:
    """Return what a tag's text means: tags hold Python literals, newer ones JSON."""
    if not isinstance(value, str):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    found = _literal(value)
    return found if isinstance(found, Mapping) else {}


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(key): one if isinstance(one, str) else _text(one) for key, one in value.items() if one is not None}


def _text(value: Any) -> str:
    """Return a value as the component writes it: booleans are the strings true and false."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _any(facts: Mapping[str, str], *names: str) -> str | None:
    return next((facts[name] for name in names if name in facts), None)


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() == "true"


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _date(value: str | None) -> date | None:
    found = re.match(r"\d{4}-\d{2}-\d{2}", value or "")
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:
        return None


def _context_length(facts: Mapping[str, str]) -> int | None:
    given = _any(facts, "maxContextLength", "contextLength", "context_length", "textContextWindow", "inputTokenLimit")
    found = re.fullmatch(r"(\d+)\s*([kK]?)", given or "")
    return int(found[1]) * (1024 if found[2] else 1) if found else None
