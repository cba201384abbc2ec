"""Time as a parameter, so that a week of reminders is tested in a second."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Returns the present moment in UTC, timezone-aware."""


def system_clock() -> datetime:
    """Return the machine's present time in UTC."""
    return datetime.now(UTC)


class AdjustableClock:
    """The machine's time moved forward by what tests and the demo ask for."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """Return the adjusted time in UTC."""
        return self._clock() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move this clock forward by `by`."""
        self._ahead += by
