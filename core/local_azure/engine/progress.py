"""How far a long download or conversion has come: as lines in a log, or as a bar on a terminal."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

Report = Callable[[str, float], None]
"""Called with what is being done and how much of it is done, from 0 to 1."""

BAR_WIDTH = 20
SECONDS_BETWEEN_LINES = 2.0

log = logging.getLogger(__name__)


def to_log(clock: Callable[[], float] = time.monotonic) -> Report:
    """Return a report that writes a bar to the log, at most one line every two seconds and one when a part is done."""
    last_line: dict[str, float] = {}

    def report(what: str, fraction: float) -> None:
        now = clock()
        if fraction < 1 and now - last_line.get(what, float("-inf")) < SECONDS_BETWEEN_LINES:
            return
        last_line[what] = now
        filled = round(fraction * BAR_WIDTH)
        log.info("%s [%s%s] %d %%", what, "#" * filled, "-" * (BAR_WIDTH - filled), round(fraction * 100))

    return report


@contextmanager
def on_terminal() -> Iterator[Report]:
    """Show a bar for each part of the work while the block runs; yields the report that moves them."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns) as bars:
        parts: dict[str, TaskID] = {}

        def report(what: str, fraction: float) -> None:
            if what not in parts:
                parts[what] = bars.add_task(what, total=1.0)
            bars.update(parts[what], completed=fraction)

        yield report
