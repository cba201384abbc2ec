"""What the bot looks at by itself, it looks at once, whatever the number of replicas and restarts."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from bot.scheduler import LEASE_LASTS, build_scheduler
from core.records.deliveries import Deliveries
from core.records.store import Store
from core.records.tables import Delivery, Endpoint, Event, Plan
from core.services import Services
from core.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Time:
    """A clock that stands still until it is moved."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Records with an endpoint nobody has asked for hours, and an old delivery."""
    store = Store.open(f"sqlite:///{tmp_path / 'records.sqlite'}")
    with store.transaction() as session:
        session.add(
            Plan(
                id="p", kind="deploy", body={}, owner="U1", channel="C1", created_at=NOW, expires_at=NOW, taken_by="U1"
            )
        )
        session.flush()
        session.add(
            Endpoint(
                id="phi-1", plan_id="p", owner="U1", channel="C1", created_at=NOW, deployment="demo", model_name="m",
                model_version="1", model_id="i", instance_type="s", state="Succeeded", deployment_state="Succeeded",
                traffic=100, billing_started_at=NOW - timedelta(hours=9), deployed_at=NOW - timedelta(hours=9),
                requests_known=True, observed_at=NOW,
            )
        )  # fmt: skip
        session.add(Delivery(key="old", at=NOW - timedelta(days=2), request={}))
        session.add(Delivery(key="new", at=NOW, request={}))
    yield Services(Settings(folder=tmp_path), store, None, Time())
    store.close()


def scheduler_of(services: Services, holder: str, wake: Callable[[], None]) -> BackgroundScheduler:
    deliveries = Deliveries(services.store, services.clock, holder)
    return build_scheduler(services, holder, wake, lambda: None, deliveries, lambda: None)


def run(services: Services, holder: str, job: str, woken: list[str]) -> None:
    """Do one of the scheduler's jobs now, as `holder`."""
    scheduler = scheduler_of(services, holder, lambda: woken.append(job))
    scheduler.start(paused=True)
    scheduler.get_job(job).func()
    scheduler.shutdown()


def test_one_replica_reminds(services: Services) -> None:
    """Of two replicas the one that holds the lease reminds, and the other takes over when it dies."""
    woken: list[str] = []
    run(services, "a", "remind_idle", woken)
    assert len(services.store.find(Event)) == 1
    assert woken == ["remind_idle"]
    services.clock.now = NOW + timedelta(seconds=1)
    run(services, "b", "remind_idle", woken)
    assert services.store.hold_lease("scheduler", "b", NOW, LEASE_LASTS) is False
    services.clock.now = NOW + LEASE_LASTS * 2
    run(services, "b", "remind_idle", woken)
    assert services.store.hold_lease("scheduler", "b", services.clock(), LEASE_LASTS)
    assert len(services.store.find(Event)) == 1


def test_old_deliveries_are_forgotten(services: Services) -> None:
    """What Slack will not deliver again any more is forgotten."""
    run(services, "a", "forget_deliveries", [])
    assert [one.key for one in services.store.find(Delivery)] == ["new"]


def test_jobs_have_fixed_names(services: Services) -> None:
    """Each job is there once, never runs twice at the same time, and catches up once after a pause."""
    scheduler = scheduler_of(services, "a", lambda: None)
    scheduler.start(paused=True)
    jobs = {job.id: job for job in scheduler.get_jobs()}
    assert set(jobs) == {"wake_reconciler", "remind_idle", "renew_deliveries", "forget_deliveries", "watch_socket"}
    assert all(job.max_instances == 1 and job.coalesce for job in jobs.values())
    scheduler.shutdown()
