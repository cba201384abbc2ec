"""ISO 8601 durations, in which Azure ML writes timeouts and probes (``PT1M30S``, ``PT0.5S``)."""

import re

_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def seconds(duration: str) -> float:
    """Return the length of `duration` in seconds; raises ValueError for what is none."""
    found = _DURATION.fullmatch(duration)
    if found is None or duration in ("P", "PT"):
        raise ValueError(f"{duration} is not a duration")
    days, hours, minutes, rest = (float(found[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
