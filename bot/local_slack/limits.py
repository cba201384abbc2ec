"""How often the Web API may be called: method tiers, and one message a second in a channel with short bursts.

From https://docs.slack.dev/apis/web-api/rate-limits. Slack allows a method's minute in one go ("temporary bursts").
"""

import math
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

MINUTE = timedelta(minutes=1)


class Tier(IntEnum):
    """Calls a minute, of one method."""

    ONE = 1
    TWO = 20
    THREE = 50
    FOUR = 100
    SPECIAL = 600


@dataclass(frozen=True)
class RateLimits:
    """How strict the workspace is: `scale` multiplies every tier; `burst` messages may come at once in a channel."""

    scale: float = 1.0
    burst: int = 5


class RateLimiter:
    """Counts calls by the workspace's clock; a refused call does not count."""

    def __init__(self, limits: RateLimits | None) -> None:
        """`limits` None allows everything."""
        self._limits = limits
        self._calls: dict[str, deque[datetime]] = defaultdict(deque)
        self._posts: dict[str, tuple[float, datetime]] = {}

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()
        self._posts.clear()

    def retry_after(self, method: str, tier: Tier, now: datetime) -> int:
        """Count a call of `method`; return 0 when it may go on, else after how many seconds to try again."""
        if self._limits is None:
            return 0
        calls = self._calls[method]
        while calls and now - calls[0] >= MINUTE:
            calls.popleft()
        if len(calls) >= max(1, int(tier * self._limits.scale)):
            return max(1, math.ceil((calls[0] + MINUTE - now).total_seconds()))
        calls.append(now)
        return 0

    def retry_posting_after(self, channel: str, now: datetime) -> int:
        """Count a message to `channel`; return 0 when it may go on, else after how many seconds to try again."""
        if self._limits is None:
            return 0
        left, then = self._posts.get(channel, (float(self._limits.burst), now))
        left = min(float(self._limits.burst), left + (now - then).total_seconds())
        if left < 1:
            return max(1, math.ceil(1 - left))
        self._posts[channel] = (left - 1, now)
        return 0
