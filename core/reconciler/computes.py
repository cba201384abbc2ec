"""Computes: created with dedicated nodes, with low-priority ones where Azure refuses those."""

from datetime import datetime
from typing import Any

from core.azure import types
from core.errors import AzureRefused, ConflictError, UserError
from core.events import EventKind
from core.reconciler.steps import Outcome, Step, Told, failure_of
from core.records.tables import Compute
from core.services import Services

DEDICATED, LOW_PRIORITY = "Dedicated", "LowPriority"
_ENDED = frozenset({"Succeeded", "Failed"})


def next_step(compute: Compute, now: datetime) -> Step | None:
    """Return what is to be done about a compute; None: nothing any more."""
    if compute.state in _ENDED:
        return None
    return Step.OBSERVE if compute.state else Step.CREATE_COMPUTE


def carry_out(services: Services, compute: Compute, step: Step) -> Outcome:
    """Do `step` on Azure and return its outcome; may be repeated."""
    found = services.azure.compute(compute.name)
    if step is Step.OBSERVE:
        return observed(compute, found)
    if found is not None and found.size.casefold() != compute.size.casefold():
        raise ConflictError(
            f"A compute `{compute.name}` of size {found.size} exists already.", next="Use another name."
        )
    try:
        services.azure.begin_create_compute(_wanted(compute))
    except AzureRefused as error:
        if compute.tier != DEDICATED:
            raise
        return _fall_back(str(error))
    return Outcome({"state": "Creating"})


def given_up(compute: Compute, step: Step, error: UserError) -> Outcome:
    """Return the outcome of a step that Azure refused for good."""
    failure = failure_of(error)
    return Outcome({"state": "Failed", "failure": failure}, (Told(EventKind.COMPUTE_FAILED, failure),))


def observed(compute: Compute, found: types.Compute | None) -> Outcome:
    """Return what is new about a compute; None: it is not there."""
    if found is None:
        return _failed("The compute is no longer in the workspace.")
    if found.state == "Succeeded":
        data = {"name": compute.name, "size": found.size, "tier": found.tier}
        return Outcome({"state": found.state, "tier": found.tier}, (Told(EventKind.COMPUTE_READY, data),))
    if found.state in ("Failed", "Canceled"):
        why = " ".join(found.errors) or "Azure does not say why."
        return _fall_back(why) if compute.tier == DEDICATED else _failed(why)
    return Outcome({} if found.state == compute.state else {"state": found.state})


def _fall_back(why: str) -> Outcome:
    data: dict[str, Any] = {
        "step": str(Step.CREATE_COMPUTE),
        "what": "Azure refused dedicated nodes; low-priority nodes are asked for, which may be pre-empted.",
        "why": why,
        "tier": LOW_PRIORITY,
    }
    return Outcome({"tier": LOW_PRIORITY, "state": ""}, (Told(EventKind.STEP_RETRIED, data),))


def _failed(why: str) -> Outcome:
    failure = {"code": "", "message": why, "next": "Ask for more quota of this VM family, or choose another size."}
    return Outcome({"state": "Failed", "failure": failure}, (Told(EventKind.COMPUTE_FAILED, failure),))


def _wanted(compute: Compute) -> types.Compute:
    return types.Compute(
        name=compute.name,
        size=compute.size,
        tier=compute.tier,
        min_instances=0,
        max_instances=compute.max_instances,
        idle_seconds_before_scale_down=compute.idle_seconds,
        state="",
    )
