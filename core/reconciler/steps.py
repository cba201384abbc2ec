"""The reconciler's words: the step that is due, and the outcome of a step as data.

What is wanted and what was observed are in the record; `next_step` of each kind compares them. A step's outcome is
applied to the record in one transaction, together with its events, before any next step begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from core.errors import UserError
from core.events import EventKind
from core.settings import Settings


class Step(StrEnum):
    """One small call to Azure that may be repeated."""

    PREPARE = "prepare the dataset"
    CREATE_COMPUTE = "create the compute"
    SUBMIT = "submit the job"
    CANCEL = "cancel the job"
    REGISTER = "register the model"
    CREATE_ENDPOINT = "create the endpoint"
    CREATE_DEPLOYMENT = "create the deployment"
    SET_TRAFFIC = "send the requests to the deployment"
    DELETE = "delete the endpoint"
    OBSERVE = "look at it"
    """Something changes on Azure: look again soon."""
    WATCH = "watch it"
    """Nothing is expected to change: look once in a while."""


@dataclass(frozen=True)
class Told:
    """An event that goes with a change."""

    kind: EventKind
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a step found or did: columns of the record with their new values, and the events that tell of them."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Told, ...] = ()


def pause(step: Step, settings: Settings) -> timedelta:
    """Return how long to wait before `step`: looks have their own pace, everything else is done at once."""
    if step is Step.OBSERVE:
        return settings.observe_every
    return settings.watch_every if step is Step.WATCH else timedelta()


def failure_of(error: UserError, **more: Any) -> dict[str, Any]:
    """Return a record's `failure` for an error: code, message, why, next, and `more`."""
    code = getattr(error, "code", "")
    return {"code": code, "message": error.what, "why": error.why, "next": error.next, **more}


def iso(moment: Any) -> str | None:
    """Return a moment in ISO 8601; None stays None."""
    return None if moment is None else str(moment.isoformat())
