"""What an endpoint costs, and when its owner is reminded of it."""

from datetime import timedelta

import pytest

from core.operations.costs import cost_per_day, cost_so_far
from core.operations.remind_idle import is_due, is_idle, reminder
from core.settings import Settings
from tests.unit.operations.records import HOUR, NOW, an_endpoint, serving

SETTINGS = Settings(idle_after=2 * HOUR, remind_every=24 * HOUR)
LONG_AGO = NOW - 5 * HOUR


def test_costs_of_all_instances():
    """Every instance costs, from the request for the deployment until the endpoint was seen to be gone."""
    endpoint = serving(instance_count=2, billing_started_at=NOW - 10 * HOUR)
    assert cost_so_far(endpoint, NOW) == pytest.approx(70)
    assert cost_per_day(endpoint) == pytest.approx(168)
    endpoint.billing_stopped_at = NOW - 5 * HOUR
    assert cost_so_far(endpoint, NOW) == pytest.approx(35)


def test_unknown_price_is_not_free():
    """Without a price the cost is unknown, not zero."""
    assert cost_so_far(serving(price_per_hour=None), NOW) is None
    assert cost_so_far(an_endpoint(), NOW) == 0


@pytest.mark.parametrize(
    ("endpoint", "idle"),
    [
        (serving(deployed_at=LONG_AGO), True),
        (serving(deployed_at=LONG_AGO, last_request_at=LONG_AGO), True),
        (serving(deployed_at=LONG_AGO, last_request_at=NOW - HOUR), False),
        (serving(), False),
        (serving(deployed_at=LONG_AGO, requests_known=False), False),
        (serving(deployed_at=LONG_AGO, observed_at=NOW - HOUR), False),
        (serving(deployed_at=LONG_AGO, observed_at=None), False),
        (serving(deployed_at=LONG_AGO, wanted="gone"), False),
        (serving(deployed_at=LONG_AGO, billing_stopped_at=NOW), False),
        (serving(deployed_at=None, billing_started_at=LONG_AGO, deployment_state="Creating"), False),
        (serving(deployed_at=None, billing_started_at=LONG_AGO, deployment_state="Failed", requests_known=False), True),
        (serving(deployed_at=None, deployment_state="Failed"), False),
        (an_endpoint(), False),
    ],
    ids=[
        "never asked",
        "not asked lately",
        "asked lately",
        "just deployed",
        "metrics unknown",
        "not looked at lately",
        "never looked at",
        "being deleted",
        "gone",
        "still being created",
        "failed long ago",
        "failed just now",
        "not created yet",
    ],
)
def test_idle(endpoint, idle):
    """Idle is what costs and is known not to be used; unknown is not idle."""
    assert is_idle(endpoint, NOW, SETTINGS) is idle


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, True),
        ({"reminded_at": NOW - 23 * HOUR}, False),
        ({"reminded_at": NOW - 24 * HOUR}, True),
        ({"keep_until": NOW + HOUR}, False),
        ({"keep_until": NOW}, True),
    ],
)
def test_reminders_are_rare(changes, due):
    """A reminder comes once a day, and not while somebody keeps the endpoint."""
    assert is_due(serving(**changes), NOW, SETTINGS) is due


def test_reminder_says_what_it_costs():
    """A reminder carries everything a person decides by."""
    told = reminder(serving(deployed_at=LONG_AGO, billing_started_at=LONG_AGO), NOW)
    assert told["idle_hours"] == pytest.approx(5)
    assert told["cost_so_far"] == pytest.approx(17.5)
    assert told["cost_per_day"] == pytest.approx(84)
    assert told["failed"] is False


def test_stale_looks_follow_the_watch():
    """A team that watches rarely is still reminded."""
    rare = Settings(idle_after=2 * HOUR, watch_every=timedelta(hours=1))
    assert is_idle(serving(deployed_at=LONG_AGO, observed_at=NOW - HOUR), NOW, rare)
