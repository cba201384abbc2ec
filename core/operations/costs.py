"""What an endpoint costs, from its price and the time it has been billed; pure, in the endpoint's currency."""

from datetime import datetime

from core.records.tables import Endpoint


def cost_per_hour(endpoint: Endpoint) -> float | None:
    """Return what all instances cost per hour; None: the price is unknown."""
    return None if endpoint.price_per_hour is None else endpoint.price_per_hour * endpoint.instance_count


def cost_per_day(endpoint: Endpoint) -> float | None:
    """Return what all instances cost per day; None: the price is unknown."""
    hourly = cost_per_hour(endpoint)
    return None if hourly is None else hourly * 24


def billed_hours(endpoint: Endpoint, now: datetime) -> float:
    """Return for how many hours the endpoint has been billed until `now`; zero before its deployment was asked for."""
    if endpoint.billing_started_at is None:
        return 0.0
    until = endpoint.billing_stopped_at or now
    return max(0.0, (until - endpoint.billing_started_at).total_seconds() / 3600)


def cost_so_far(endpoint: Endpoint, now: datetime) -> float | None:
    """Return what the endpoint has cost until `now`; None: the price is unknown."""
    hourly = cost_per_hour(endpoint)
    return None if hourly is None else hourly * billed_hours(endpoint, now)


def is_costing(endpoint: Endpoint) -> bool:
    """Return whether the endpoint is billed: from the request for its deployment until it was seen to be gone."""
    return endpoint.billing_started_at is not None and endpoint.billing_stopped_at is None
