"""Find endpoints that cost and that nobody uses, and say so once in a while."""

from datetime import datetime, timedelta
from typing import Any

from core.events import EventKind
from core.operations.costs import cost_per_day, cost_so_far, is_costing
from core.records.store import record_event
from core.records.tables import Endpoint
from core.services import Services
from core.settings import Settings

_STALE_LOOKS = 10
_FAILED = frozenset({"Failed", "Canceled"})


def find_idle(services: Services) -> list[Endpoint]:
    """Record an ENDPOINT_IDLE event for every endpoint whose reminder is due, and return these endpoints."""
    now, settings = services.clock(), services.settings
    reminded = []
    candidates = services.store.find(
        Endpoint, Endpoint.billing_started_at.is_not(None), Endpoint.billing_stopped_at.is_(None), limit=1000
    )
    for seen in candidates:
        with services.store.transaction() as session:
            endpoint = session.get_one(Endpoint, seen.id)
            if not (is_idle(endpoint, now, settings) and is_due(endpoint, now, settings)):
                continue
            endpoint.reminded_at = now
            record_event(session, endpoint, EventKind.ENDPOINT_IDLE, now, **reminder(endpoint, now))
        reminded.append(endpoint)
    return reminded


def is_idle(endpoint: Endpoint, now: datetime, settings: Settings) -> bool:
    """Return whether the endpoint costs and is known not to be used for `settings.idle_after`.

    Unknown is not idle: without metrics, or when the last look is long ago, nobody can say. A deployment that failed
    costs too and can answer nothing, so it needs no metrics.
    """
    if not is_costing(endpoint) or endpoint.wanted == "gone":
        return False
    since = idle_since(endpoint)
    if since is None or now - since < settings.idle_after:
        return False
    if endpoint.deployment_state in _FAILED:
        return True
    fresh = max(_STALE_LOOKS * settings.watch_every, timedelta(minutes=10))
    seen = endpoint.observed_at is not None and now - endpoint.observed_at <= fresh
    return endpoint.requests_known and endpoint.deployed_at is not None and seen


def idle_since(endpoint: Endpoint) -> datetime | None:
    """Return the last moment at which the endpoint was of use: a request, or else its deployment."""
    return endpoint.last_request_at or endpoint.deployed_at or endpoint.billing_started_at


def is_due(endpoint: Endpoint, now: datetime, settings: Settings) -> bool:
    """Return whether a reminder may be given: nobody keeps the endpoint, and the last reminder is long enough ago."""
    if endpoint.keep_until is not None and now < endpoint.keep_until:
        return False
    return endpoint.reminded_at is None or now - endpoint.reminded_at >= settings.remind_every


def reminder(endpoint: Endpoint, now: datetime) -> dict[str, Any]:
    """Return the data of an ENDPOINT_IDLE event: costs in `currency`, None when unknown; times in ISO 8601."""
    since = idle_since(endpoint)
    return {
        "idle_since": since.isoformat() if since is not None else None,
        "idle_hours": (now - since).total_seconds() / 3600 if since is not None else None,
        "last_request_at": endpoint.last_request_at.isoformat() if endpoint.last_request_at is not None else None,
        "cost_so_far": cost_so_far(endpoint, now),
        "cost_per_day": cost_per_day(endpoint),
        "currency": endpoint.currency,
        "failed": endpoint.deployment_state in _FAILED,
    }
