"""The records keep what was asked, once, whatever happens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from core.clock import AdjustableClock
from core.errors import NotFoundError
from core.events import EventKind, SubjectKind
from core.records.deliveries import CLAIM_LASTS, TOO_OLD, Deliveries
from core.records.store import Store, migrate, open_engine, record_event
from core.records.tables import Dataset, Delivery, Lease, Table

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'records.sqlite'}")


def a_dataset(id_: str = "data-1", due: datetime | None = NOW) -> Dataset:
    return Dataset(id=id_, owner="U1", channel="C1", created_at=NOW, request={"source": "x"}, next_at=due)


def test_migrated_tables_are_the_declared_tables(tmp_path: Path) -> None:
    """The migrations build exactly the tables the code maps."""
    engine = open_engine(f"sqlite:///{tmp_path / 'r.sqlite'}")
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_event_is_lost_with_its_change(store: Store) -> None:
    """An event is written only if the change it tells of is."""
    with pytest.raises(RuntimeError), store.transaction() as session:
        dataset = a_dataset()
        session.add(dataset)
        record_event(session, dataset, EventKind.DATASET_REQUESTED, NOW)
        raise RuntimeError
    assert store.events(SubjectKind.DATASET, "data-1") == []
    with pytest.raises(NotFoundError, match="data-1"):
        store.get(Dataset, "data-1")


def test_redelivered_request_is_recognised(store: Store) -> None:
    """A request that Slack delivers twice is taken on once."""
    deliveries = Deliveries(store, lambda: NOW, "a")
    assert deliveries.take("Ev1", {})
    assert not deliveries.take("Ev1", {})
    deliveries.forget(before=NOW + timedelta(seconds=1))
    assert deliveries.take("Ev1", {})


def test_only_what_a_dead_process_left_is_taken_up(store: Store) -> None:
    """While a process lives nobody takes up its requests; once it is dead another one does, and none that is done."""
    clock = AdjustableClock()
    alive, other = Deliveries(store, clock, "a"), Deliveries(store, clock, "b")
    for key in ("left", "done"):
        alive.take(key, {})
    alive.done("done")
    clock.advance(CLAIM_LASTS - timedelta(seconds=1))
    alive.renew()
    clock.advance(timedelta(seconds=2))
    assert other.claim_left() == []
    clock.advance(CLAIM_LASTS)
    assert [row.key for row in other.claim_left()] == ["left"]
    assert alive.claim_left() == []


def test_a_process_takes_up_what_its_predecessor_left_at_once(store: Store) -> None:
    """Who knows that the process before it is dead does not wait; what is older than an hour is nobody's any more."""
    clock = AdjustableClock()
    deliveries = Deliveries(store, clock, "folder")
    deliveries.take("old", {})
    clock.advance(TOO_OLD + timedelta(seconds=1))
    deliveries.take("new", {})
    deliveries.release()
    assert [row.key for row in deliveries.claim_left()] == ["new"]
    assert [row.key for row in store.find(Delivery, Delivery.done_at.is_not(None))] == ["old"]


def test_claimed_record_is_nobody_elses(store: Store) -> None:
    """Two workers never carry out one step together, and a dead worker's claim runs out."""
    with store.transaction() as session:
        session.add(a_dataset())
    mine = store.claim(Dataset, NOW, "a", timedelta(minutes=1))
    assert mine is not None
    assert mine.id == "data-1"
    assert store.claim(Dataset, NOW, "b", timedelta(minutes=1)) is None
    assert store.claim(Dataset, NOW + timedelta(minutes=2), "b", timedelta(minutes=1)) is not None


def test_finished_record_is_never_claimed(store: Store) -> None:
    """A record with nothing left to do is left alone."""
    with store.transaction() as session:
        session.add(a_dataset(due=None))
    assert store.claim(Dataset, NOW, "a", timedelta(minutes=1)) is None
    assert store.next_due() is None


def test_lease_has_one_holder(store: Store) -> None:
    """Of several processes one is the scheduler, until its lease runs out."""
    minute = timedelta(minutes=1)
    assert store.hold_lease("scheduler", "a", NOW, minute)
    assert not store.hold_lease("scheduler", "b", NOW, minute)
    assert store.hold_lease("scheduler", "a", NOW + minute / 2, minute)
    assert store.hold_lease("scheduler", "b", NOW + 2 * minute, minute)
    assert store.find(Lease)[0].holder == "b"


def test_moments_come_back_in_utc(store: Store) -> None:
    """Times keep their timezone through the database."""
    with store.transaction() as session:
        session.add(a_dataset())
    assert store.get(Dataset, "data-1").created_at == NOW
