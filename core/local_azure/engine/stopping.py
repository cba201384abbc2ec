"""What SIGTERM does to a stage: it ends at once, except within training, which writes a checkpoint first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

TERMINATED = 128 + signal.SIGTERM
"""The exit status of a process that ended because it was told to, as a shell reports it."""


class Stop:
    """Whether the process was told to stop; outside of `deferred` being told raises SystemExit."""

    def __init__(self) -> None:
        self.told = False
        self.waits = False

    def __enter__(self) -> Self:
        self.before = signal.signal(signal.SIGTERM, self.on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal, and end the process unless the work ends by itself soon."""
        self.told = True
        if not self.waits:
            raise SystemExit(TERMINATED)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Leave it to the block to end soon after being told."""
        self.waits = True
        try:
            yield
        finally:
            self.waits = False

    def exit_if_told(self) -> None:
        """Raise SystemExit when the process was told to stop."""
        if self.told:
            raise SystemExit(TERMINATED)
