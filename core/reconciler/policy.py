"""What is done about an error of a step, as data: again after a delay, or given up for good."""

from dataclasses import dataclass
from datetime import timedelta

from core.errors import AzureUnavailable, UserError
from core.reconciler.steps import Step

_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(minutes=5)
_UNEXPECTED_AT_MOST = 5
# Looking costs nothing and an endpoint that is not deleted goes on costing: neither is ever given up.
_NEVER_GIVEN_UP = frozenset({Step.OBSERVE, Step.WATCH, Step.DELETE})


@dataclass(frozen=True)
class Again:
    """Repeat the step after `delay`."""

    delay: timedelta


@dataclass(frozen=True)
class GiveUp:
    """The step will never succeed."""


def decide(error: Exception, step: Step, attempts: int) -> Again | GiveUp:
    """Return what to do after `step` failed, `attempts` times in a row before this one.

    AzureUnavailable: again, for as long as it takes. Another UserError: given up, as repeating changes nothing.
    Anything else is unexpected: again a few times, then given up.
    """
    if isinstance(error, AzureUnavailable) or step in _NEVER_GIVEN_UP:
        return Again(backoff(attempts))
    if isinstance(error, UserError) or attempts + 1 >= _UNEXPECTED_AT_MOST:
        return GiveUp()
    return Again(backoff(attempts))


def backoff(attempts: int) -> timedelta:
    """Return 5 s, 10 s, 20 s, ... and at most 5 minutes."""
    doublings = min(attempts, 10)
    return min(_LONGEST_DELAY, _FIRST_DELAY * (1 << doublings))
