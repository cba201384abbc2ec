"""When the bot looks by itself: jobs and endpoints, idle endpoints, deliveries. It decides nothing else.

Where several replicas share the records, the one that holds the lease `scheduler` does the looking.
"""

import logging
from collections.abc import Callable
from datetime import UTC, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from core.operations.remind_idle import find_idle
from core.records.deliveries import RENEW_EVERY, Deliveries
from core.services import Services

LEASE = "scheduler"
LEASE_LASTS = timedelta(minutes=3)
DELIVERIES_KEPT = timedelta(days=1)
"""Slack delivers an event again for about an hour (docs.slack.dev/apis/events-api)."""

log = logging.getLogger(__name__)


def build_scheduler(
    services: Services,
    holder: str,
    wake: Callable[[], None],
    watch_socket: Callable[[], None],
    deliveries: Deliveries,
    recover: Callable[[], None],
) -> BackgroundScheduler:
    """Return the scheduler, not yet started."""
    settings = services.settings

    def look_at_endpoints() -> None:
        if find_idle(services):
            wake()

    def forget_deliveries() -> None:
        deliveries.forget(services.clock() - DELIVERIES_KEPT)

    def look_at_deliveries() -> None:
        deliveries.renew()
        recover()

    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )

    def every(interval: timedelta, id_: str, task: Callable[[], None]) -> None:
        scheduler.add_job(
            task, "interval", seconds=max(0.1, interval.total_seconds()), id=id_, name=id_, replace_existing=True
        )

    every(settings.observe_every, "wake_reconciler", wake)
    every(settings.watch_every, "remind_idle", _leased(services, holder, look_at_endpoints))
    every(RENEW_EVERY, "renew_deliveries", look_at_deliveries)
    every(timedelta(hours=1), "forget_deliveries", _leased(services, holder, forget_deliveries))
    every(timedelta(seconds=10), "watch_socket", watch_socket)
    return scheduler


def _leased(services: Services, holder: str, task: Callable[[], None]) -> Callable[[], None]:
    """Return `task` done only by the process that holds the lease."""

    def run() -> None:
        if services.store.hold_lease(LEASE, holder, services.clock(), LEASE_LASTS):
            task()

    return run
