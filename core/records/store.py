"""The one door to the records: transactions, events written with the change, claims and leases."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from core.errors import NotFoundError
from core.events import EventKind, SubjectKind
from core.records.tables import Compute, Dataset, Endpoint, Event, Job, Lease, Plan, Table
from core.records.unusable import UNUSABLE, unusable

Record = Dataset | Compute | Job | Endpoint
SUBJECTS: dict[SubjectKind, type[Table]] = {
    SubjectKind.PLAN: Plan,
    SubjectKind.DATASET: Dataset,
    SubjectKind.COMPUTE: Compute,
    SubjectKind.JOB: Job,
    SubjectKind.ENDPOINT: Endpoint,
}
RECONCILED: tuple[type[Record], ...] = (Dataset, Compute, Job, Endpoint)
T = TypeVar("T", bound=Table)
R = TypeVar("R", Dataset, Compute, Job, Endpoint)


def subject_kind(record: Table) -> SubjectKind:
    """Return what kind of subject `record` is."""
    return next(kind for kind, table in SUBJECTS.items() if isinstance(record, table))


def open_engine(url: str) -> Engine:
    """Return an engine for `url`; SQLite is put into WAL mode, with foreign keys and a busy timeout of 10 s."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # so that SQLAlchemy's BEGIN is the one that counts
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA busy_timeout=10000")

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            # A transaction that reads before it writes must hold the write lock from the start, or it fails half-way.
            reading = connection.get_execution_options().get("reading", False)
            connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest migration."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


class Store:
    """Records in one database; every method opens its own transaction unless given a session."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._reading = sessionmaker(engine.execution_options(reading=True), expire_on_commit=False)

    @classmethod
    def open(cls, url: str) -> "Store":
        """Open and migrate the database at `url`; raises ConfigurationError when it cannot be used."""
        try:
            engine = open_engine(url)
            migrate(engine)
        except UNUSABLE as error:
            raise unusable(url, error) from error
        return cls(engine)

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction that commits at the end of the block and rolls back on any exception."""
        with self._sessions.begin() as session:
            yield session

    def get(self, table: type[T], id_: str) -> T:
        """Return the record with this id.

        Raises NotFoundError.
        """
        with self._reading() as session:
            found = session.get(table, id_)
        if found is None:
            raise NotFoundError(
                f"There is no {table.__name__.lower()} `{id_}`.", next="`/ft-status` lists what there is."
            )
        return found

    def find(self, table: type[T], *conditions: Any, newest_first: bool = True, limit: int = 100) -> Sequence[T]:
        """Return the records that meet all SQLAlchemy `conditions`, newest first."""
        order: Any = getattr(table, "created_at", table.__mapper__.primary_key[0])
        with self._reading() as session:
            query = (
                select(table).where(*conditions).order_by(order.desc() if newest_first else order.asc()).limit(limit)
            )
            return session.scalars(query).all()

    def events(self, kind: SubjectKind, id_: str) -> Sequence[Event]:
        """Return a subject's whole history, oldest first."""
        return self.find(Event, Event.subject_kind == kind, Event.subject_id == id_, newest_first=False, limit=10_000)

    def claim(self, table: type[R], now: datetime, holder: str, lasting: timedelta) -> R | None:
        """Claim the record of `table` that has waited longest past its `next_at`, for `holder` alone."""
        with self.transaction() as session:
            free = or_(table.claimed_until.is_(None), table.claimed_until < now)
            query = select(table).where(table.next_at <= now, free).order_by(table.next_at).limit(1)
            record = session.scalars(query.with_for_update(skip_locked=True)).first()
            if record is not None:
                record.claimed_by, record.claimed_until = holder, now + lasting
            return record

    def release_claims(self, holder: str) -> None:
        """Free what `holder` had claimed when its process died; only for who knows that it is dead."""
        with self.transaction() as session:
            for table in RECONCILED:
                session.execute(
                    update(table).where(table.claimed_by == holder).values(claimed_by="", claimed_until=None)
                )

    def next_due(self) -> datetime | None:
        """Return when the next record is due; None: nothing is left to do."""
        with self._reading() as session:
            moments = [
                session.scalar(select(table.next_at).where(table.next_at.is_not(None)).order_by(table.next_at).limit(1))
                for table in RECONCILED
            ]
        return min((moment for moment in moments if moment is not None), default=None)

    def hold_lease(self, name: str, holder: str, now: datetime, lasting: timedelta) -> bool:
        """Take or renew the lease `name`; return whether `holder` has it until `now + lasting`."""
        with self.transaction() as session:
            taken = session.execute(
                update(Lease)
                .where(Lease.name == name, or_(Lease.holder == holder, Lease.until < now))
                .values(holder=holder, until=now + lasting)
            )
            if taken.rowcount:  # type: ignore[attr-defined]
                return True
            if session.get(Lease, name) is not None:
                return False
            session.add(Lease(name=name, holder=holder, until=now + lasting))
            return True


def record_event(session: Session, subject: Table, kind: EventKind, at: datetime, actor: str = "", **data: Any) -> None:
    """Add an event about `subject` to the transaction of the change it tells of."""
    session.add(
        Event(at=at, kind=kind, subject_kind=subject_kind(subject), subject_id=subject.id, actor=actor, data=data)  # type: ignore[attr-defined]
    )
