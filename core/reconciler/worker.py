"""Carries out the steps that are due: claims a record, does one step, writes the outcome; in threads until stopped."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import UserError, error_id
from core.events import EventKind
from core.reconciler import computes, datasets, endpoints, jobs
from core.reconciler.policy import Again, decide
from core.reconciler.steps import Outcome, Step, pause
from core.records.store import RECONCILED, Record, record_event
from core.records.tables import Compute, Dataset, Endpoint, Job
from core.services import Services

CLAIM = timedelta(seconds=30)
"""How long a claim outlives the last sign of life of the process that holds it."""
_SIGN_OF_LIFE_EVERY = 5.0
"""Seconds of real time."""
_LOOK_AT_LEAST_EVERY = 2.0
"""Seconds: other processes write records too."""
_REST = 0.1
"""Seconds: what is due and cannot be claimed, or not be written, is not asked for without a pause."""
_DATASETS_AT_ONCE = 1
"""In one process: a preparation is work of this machine and would keep the steps on Azure waiting."""

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """How records of one table are reconciled."""

    next_step: Callable[[Any, datetime], Step | None]
    carry_out: Callable[[Services, Any, Step], Outcome]
    given_up: Callable[[Any, Step, UserError], Outcome]


KINDS: dict[type[Record], Kind] = {
    Dataset: Kind(datasets.next_step, datasets.carry_out, datasets.given_up),
    Compute: Kind(computes.next_step, computes.carry_out, computes.given_up),
    Job: Kind(jobs.next_step, jobs.carry_out, jobs.given_up),
    Endpoint: Kind(endpoints.next_step, endpoints.carry_out, endpoints.given_up),
}


class Reconciler:
    """Makes the records true; `holder` names this process among all that share the records."""

    def __init__(self, services: Services, holder: str) -> None:
        self._services = services
        self._holder = holder
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._working: set[tuple[type[Record], str]] = set()

    def wake(self) -> None:
        """Look for due records now: something was asked for."""
        self._wake.set()

    def reconcile_once(self) -> float | None:
        """Do the step that is due longest, if any; return the seconds until the next is due, None when none is."""
        record = self._claim()
        if record is not None:
            self._work(record)
        return self._seconds_until_due()

    def run(self, stop: threading.Event) -> None:
        """Do what is due, several steps at a time, until `stop` is set; steps begun are finished."""
        workers = self._services.settings.workers
        free = threading.Semaphore(workers)
        done = threading.Event()
        alive = threading.Thread(target=self._stay_alive, args=(done,), name="claims", daemon=True)
        alive.start()
        with ThreadPoolExecutor(workers, thread_name_prefix="step") as pool:
            while not stop.is_set():
                self._wake.clear()
                self._hand_out(pool, free, stop)
                seconds = _safely(self._seconds_until_due)
                self._wake.wait(
                    _LOOK_AT_LEAST_EVERY if seconds is None else min(max(seconds, _REST), _LOOK_AT_LEAST_EVERY)
                )
        done.set()
        alive.join()

    def _hand_out(self, pool: ThreadPoolExecutor, free: threading.Semaphore, stop: threading.Event) -> None:
        """Give every due record to a free worker."""
        while not stop.is_set() and free.acquire(blocking=False):
            record = _safely(self._claim)
            if record is None:
                free.release()
                return
            pool.submit(self._work_and_free, record, free)

    def _work_and_free(self, record: Record, free: threading.Semaphore) -> None:
        try:
            self._work(record)
        except Exception:
            # The records cannot be written: the claim runs out and the step is repeated.
            log.exception("The outcome of a step on %s could not be written", record.id)
            free.release()
        else:
            free.release()
            self.wake()

    def _claim(self) -> Record | None:
        """Claim a due record that no thread of this process is working on."""
        now = self._services.clock()
        for table in RECONCILED:
            if table is Dataset and self._busy_with(Dataset) >= _DATASETS_AT_ONCE:
                continue
            record: Record | None = self._services.store.claim(cast(Any, table), now, self._holder, CLAIM)
            if record is not None and self._begin(record):
                return record
        return None

    def _busy_with(self, table: type[Record]) -> int:
        with self._lock:
            return sum(1 for working, _ in self._working if working is table)

    def _begin(self, record: Record) -> bool:
        """Return whether the record is free here: after a jump of the clock our own claim may look as if it ran out."""
        with self._lock:
            key = (type(record), record.id)
            free = key not in self._working
            self._working.add(key)
            return free

    def _work(self, record: Record) -> None:
        """Do the step that `record` needs, and write what came of it."""
        kind = KINDS[type(record)]
        try:
            step = kind.next_step(record, self._services.clock())
            if step is None:
                self._write(record, Outcome())
                return
            try:
                outcome = kind.carry_out(self._services, record, step)
            except Exception as error:
                self._failed(record, step, error)
            else:
                self._write(record, outcome)
        finally:
            with self._lock:
                self._working.discard((type(record), record.id))

    def _failed(self, record: Record, step: Step, error: Exception) -> None:
        known = error if isinstance(error, UserError) else _unexpected(record, step, error)
        decision = decide(error, step, record.attempts)
        if isinstance(decision, Again):
            self._again(record, step, known, decision)
        else:
            log.warning("Gave up to %s for %s: %s", step, record.id, known)
            self._write(record, KINDS[type(record)].given_up(record, step, known))

    def _again(self, record: Record, step: Step, error: UserError, decision: Again) -> None:
        now = self._services.clock()
        log.info("Could not %s for %s (attempt %d): %s", step, record.id, record.attempts + 1, error)
        with self._services.store.transaction() as session:
            fresh = self._held(session, record)
            if fresh is None:
                return
            if fresh.attempts == 0:
                data = {"step": str(step), "what": error.what, "why": error.why, "next": error.next}
                record_event(session, fresh, EventKind.STEP_RETRIED, now, **data)
            fresh.attempts += 1
            fresh.step_error = str(error)
            fresh.next_at = now if _wanted_otherwise(record, fresh) else now + decision.delay
            _release(fresh)

    def _write(self, record: Record, outcome: Outcome) -> None:
        """Write an outcome and its events, and say when to look next, in one transaction."""
        now = self._services.clock()
        with self._services.store.transaction() as session:
            fresh = self._held(session, record)
            if fresh is None:
                return
            fresh.attempts, fresh.step_error, fresh.observed_at = 0, "", now
            for name, value in outcome.changes.items():
                setattr(fresh, name, value)
            for told in outcome.events:
                record_event(session, fresh, told.kind, now, **told.data)
            step = KINDS[type(fresh)].next_step(fresh, now)
            fresh.next_at = None if step is None else now + pause(step, self._services.settings)
            _release(fresh)

    def _held(self, session: Session, record: Record) -> Record | None:
        """Return the record as it is now; None when another process has taken it over meanwhile."""
        fresh = cast(Record | None, session.get(type(record), record.id, with_for_update=True))
        if fresh is None or fresh.claimed_by != self._holder:
            log.warning("The outcome of a step on %s is dropped: somebody else works on it now", record.id)
            return None
        return fresh

    def _seconds_until_due(self) -> float | None:
        due = self._services.store.next_due()
        if due is None:
            return None
        seconds = (due - self._services.clock()).total_seconds()
        with self._lock:
            idle = not self._working
        # What is due and was not claimed is somebody else's: it is not asked for again at once.
        return seconds if seconds > 0 else 0.0 if idle else _LOOK_AT_LEAST_EVERY

    def _stay_alive(self, done: threading.Event) -> None:
        """Renew the claims of steps that take long, so that nobody else begins them."""
        while not done.wait(_SIGN_OF_LIFE_EVERY):
            with self._lock:
                working = list(self._working)
            for table, id_ in working:
                _safely(partial(self._renew, table, id_))

    def _renew(self, table: type[Record], id_: str) -> None:
        with self._services.store.transaction() as session:
            mine = (table.id == id_, table.claimed_by == self._holder)
            session.execute(update(table).where(*mine).values(claimed_until=self._services.clock() + CLAIM))


def _safely(read: Callable[[], T]) -> T | None:
    """Return what `read` returns; None when the records cannot be reached just now: the next round asks again."""
    try:
        return read()
    except SQLAlchemyError:
        log.exception("The records cannot be reached")
        return None


def _wanted_otherwise(before: Record, now: Record) -> bool:
    """Return whether a person changed their mind while the step was carried out."""
    return bool(getattr(before, "wanted", None) != getattr(now, "wanted", None))


def _release(record: Record) -> None:
    record.claimed_by, record.claimed_until = "", None


def _unexpected(record: Record, step: Step, error: Exception) -> UserError:
    """Log an error that nobody foresaw; return what a person is told of it."""
    id_ = error_id()
    log.error("Unexpected error %s: could not %s for %s", id_, step, record.id, exc_info=error)
    return UserError("Something unexpected happened.", why=f"The log has it as {id_}.", next="Ask who runs the bot.")
