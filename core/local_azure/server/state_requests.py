"""How often endpoints were called: counts by minute, for the metrics."""

from datetime import datetime

import msgspec

from core.local_azure.server.store import Store

KIND = "requests"


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint got in the minute that begins at `minute`, for one deployment and one status code."""

    endpoint: str
    minute: datetime
    deployment: str
    status: int
    count: int


def count(store: Store, endpoint: str, deployment: str, status: int, at: datetime) -> None:
    """Add one request."""
    minute = at.replace(second=0, microsecond=0)
    key = f"{endpoint}/{deployment}/{status}/{minute.isoformat()}"
    with store.transaction():
        former = store.get(KIND, key, Requests)
        counted = 1 + (former.count if former else 0)
        store.put(
            KIND, key, Requests(endpoint=endpoint, minute=minute, deployment=deployment, status=status, count=counted)
        )


def per_minute(store: Store, endpoint: str, start: datetime, end: datetime) -> dict[datetime, int]:
    """Return how many requests the endpoint got in each minute from `start` until before `end`.

    Minutes without any are left out.
    """
    minutes: dict[datetime, int] = {}
    for counted in store.list(KIND, Requests):
        if counted.endpoint == endpoint and start <= counted.minute < end:
            minutes[counted.minute] = minutes.get(counted.minute, 0) + counted.count
    return minutes
