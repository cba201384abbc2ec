"""What a submitted pipeline asks for, checked against the component that it names.

Azure ML's front end refuses a malformed graph with one shape of error, `InvalidPipelineJob` (recorded:
InvalidExpressionInJob); the inner codes of the other refusals are ours.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from core.local_azure.server.errors import MfeError
from core.local_azure.server.state_jobs import JobRequest

_BINDING = re.compile(r"^\$\{\{(.*)\}\}$")
_PATH_TYPES = frozenset({"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})


class ComponentInput(msgspec.Struct, frozen=True):
    """One input of a component; the service keeps every scalar as text, `optional` included."""

    type: str
    optional: bool = False
    default: str | None = None
    min: str | None = None
    max: str | None = None
    enum: tuple[str, ...] = ()


class ComponentOutput(msgspec.Struct, frozen=True):
    """One output of a component."""

    type: str


class Component(msgspec.Struct, frozen=True):
    """The interface of a pipeline component."""

    inputs: dict[str, ComponentInput]
    outputs: dict[str, ComponentOutput]


class NodeRequest(msgspec.Struct, frozen=True, rename="camel"):
    """One node of a submitted pipeline."""

    component_id: str = ""
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}


class Pipeline(msgspec.Struct, frozen=True):
    """A checked pipeline: every input of the component that has a value, as text, and whether it is a path."""

    node: str
    inputs: dict[str, str]
    paths: frozenset[str]
    outputs: dict[str, str]


def invalid_pipeline(message: str, reason: str) -> MfeError:
    """Return the error with which Azure ML refuses a pipeline job's body."""
    inner = ("BadArgument", "ArgumentInvalid", "InvalidPipelineJob", reason)
    return MfeError(400, "UserError", message, inner=inner)


def the_node(request: JobRequest) -> tuple[str, NodeRequest]:
    """Return the pipeline's only node; raises `MfeError` 400 for any other graph, which this workspace cannot run."""
    if request.job_type.lower() != "pipeline":
        raise invalid_pipeline(f"Job type {request.job_type} is not supported by this workspace.", "UnsupportedJobType")
    if len(request.jobs) != 1:
        raise invalid_pipeline(
            f"The pipeline has {len(request.jobs)} nodes. This workspace runs pipelines of one pipeline component.",
            "InvalidGraph",
        )
    ((name, document),) = request.jobs.items()
    try:
        return name, msgspec.convert(document, NodeRequest)
    except msgspec.ValidationError as error:
        raise invalid_pipeline(f"The node {name} is invalid: {error}.", "InvalidNode") from None


def read_pipeline(request: JobRequest, component: Component) -> Pipeline:
    """Return what `request` asks of `component`.

    Raises `MfeError` 400 for unknown, missing or ill-typed inputs and outputs.
    """
    name, node = the_node(request)
    given = {key: _value(key, document, request) for key, document in node.inputs.items()}
    unknown = sorted(set(given) - set(component.inputs))
    if unknown:
        raise invalid_pipeline(
            f"The node {name} has unknown inputs [{', '.join(unknown)}]. They are not inputs of its component.",
            "UnknownInputs",
        )
    values = {}
    for key, specification in component.inputs.items():
        value = given.get(key)
        if value is None:
            value = specification.default
        if value is None:
            if not specification.optional:
                raise invalid_pipeline(f"The required input {key} of node {name} has no value.", "MissingRequiredInput")
            continue
        _check(key, value, specification)
        values[key] = value
    paths = frozenset(key for key in values if component.inputs[key].type in _PATH_TYPES)
    return Pipeline(name, values, paths, _outputs(name, node, request, component))


def _value(key: str, document: Any, request: JobRequest) -> str | None:
    if not isinstance(document, dict):
        raise invalid_pipeline(f"The input {key} is not an object.", "InvalidInput")
    value = document.get("value", document.get("uri"))
    if value is None:
        return None
    bound = _BINDING.match(str(value))
    if not bound:
        return str(value)
    expression = bound.group(1).strip()
    parts = expression.split(".")
    if parts[:2] == ["parent", "inputs"] and len(parts) == 3:
        if parts[2] not in request.inputs:
            raise invalid_pipeline(
                f"The pipeline has no input {parts[2]}, to which {key} is bound.", "InvalidExpressionInJob"
            )
        return _value(parts[2], request.inputs[parts[2]], request)
    raise invalid_pipeline(
        f"Invalid expression {expression}. Only parent.inputs, parent.jobs.[source_job_name].outputs or parent.outputs "
        "can be used for binding.",
        "InvalidExpressionInJob",
    )


def _check(key: str, value: str, specification: ComponentInput) -> None:
    if specification.enum and value not in specification.enum:
        allowed = ", ".join(specification.enum)
        raise invalid_pipeline(f"The value {value} of input {key} is not one of [{allowed}].", "InvalidInputValue")
    if specification.type not in ("integer", "number"):
        return
    number = _number(value, specification.type)
    if number is None:
        raise invalid_pipeline(
            f"The value {value} of input {key} is not of type {specification.type}.", "InvalidInputValue"
        )
    if specification.min is not None and number < float(specification.min):
        raise invalid_pipeline(
            f"The value {value} of input {key} is below the minimum {specification.min}.", "InvalidInputValue"
        )
    if specification.max is not None and number > float(specification.max):
        raise invalid_pipeline(
            f"The value {value} of input {key} is above the maximum {specification.max}.", "InvalidInputValue"
        )


def _number(value: str, type: str) -> float | None:
    try:
        number = float(int(value)) if type == "integer" else float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _outputs(name: str, node: NodeRequest, request: JobRequest, component: Component) -> dict[str, str]:
    outputs = {}
    for key, document in node.outputs.items():
        if key not in component.outputs:
            raise invalid_pipeline(f"The node {name} has unknown outputs [{key}].", "UnknownOutputs")
        bound = _BINDING.match(str(document.get("value"))) if isinstance(document, dict) else None
        if bound is None:
            continue
        parts = bound.group(1).strip().split(".")
        if parts[:2] != ["parent", "outputs"] or len(parts) != 3 or parts[2] not in request.outputs:
            raise invalid_pipeline(
                f"The output {key} of node {name} is bound to no output of the pipeline.", "InvalidExpressionInJob"
            )
        outputs[parts[2]] = key
    unbound = sorted(set(request.outputs) - set(outputs))
    if unbound:
        raise invalid_pipeline(
            f"The pipeline outputs [{', '.join(unbound)}] are bound to no node.", "InvalidExpressionInJob"
        )
    return outputs


def computes(pipeline: Pipeline) -> Mapping[str, str]:
    """Return which compute each of the component's steps asks for, by input name.

    Nothing is evaluated on compute_model_evaluation.
    """
    return {
        key: value for key, value in pipeline.inputs.items() if key.startswith("compute_") and "evaluation" not in key
    }
