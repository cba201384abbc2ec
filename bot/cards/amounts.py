"""Numbers as people read them: durations, money, counts, moments, progress."""

from collections.abc import Sequence
from datetime import datetime, timedelta

BAR_CELLS = 20


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    left = max(0, round(seconds))
    if left < 60:
        return f"{left} s"
    for name, size, smaller, divisor in (("min", 60, "s", 1), ("h", 3600, "min", 60), ("d", 86400, "h", 3600)):
        if left < size * (60 if name != "h" else 24) or name == "d":
            rest = left % size // divisor
            return f"{left // size} {name} {rest} {smaller}" if rest else f"{left // size} {name}"
    raise AssertionError


def between(start: datetime | None, end: datetime | None) -> str:
    """Return how long it took from `start` to `end`; empty when one is unknown."""
    return duration((end - start) / timedelta(seconds=1)) if start and end else ""


def money(amount: float, currency: str = "USD") -> str:
    """Return an amount with enough digits to be told from nothing."""
    digits = 2 if amount == 0 or abs(amount) >= 0.1 else 4
    return f"${amount:,.{digits}f}" if currency == "USD" else f"{amount:,.{digits}f} {currency}"


def moment(at: datetime) -> str:
    """Return a moment that Slack shows in each reader's own time zone."""
    stamp = int(at.timestamp())
    return f"<!date^{stamp}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


def progress_bar(share: float) -> str:
    """Return a bar and the percentage; `share` is from 0 to 1."""
    share = min(1.0, max(0.0, share))
    full = int(share * BAR_CELLS)
    return f"`{'█' * full}{'░' * (BAR_CELLS - full)}` {share:.0%}"


def sparkline(values: Sequence[float], cells: int = 24) -> str:
    """Return a curve as small bars, the newest on the right; empty for fewer than two values."""
    if len(values) < 2:
        return ""
    picked = (
        [values[round(i * (len(values) - 1) / (cells - 1))] for i in range(cells)] if len(values) > cells else values
    )
    low, high = min(picked), max(picked)
    return "".join("▁▂▃▄▅▆▇█"[int((value - low) / (high - low) * 7) if high > low else 0] for value in picked)
