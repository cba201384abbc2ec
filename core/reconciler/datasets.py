"""Datasets: prepared in a worker, from the beginning again after a crash."""

from datetime import datetime, timedelta

from core.datasets import Progress, prepare
from core.errors import UserError
from core.events import EventKind
from core.operations.prepare_dataset import dataset_request
from core.operations.stored import to_stored
from core.reconciler.steps import Outcome, Step, Told, failure_of
from core.records.store import record_event
from core.records.tables import Dataset
from core.services import Services

_TELL_EVERY = timedelta(seconds=3)


def next_step(dataset: Dataset, now: datetime) -> Step | None:
    """Return what is to be done about a dataset; None: nothing any more."""
    return Step.PREPARE if dataset.state == "preparing" else None


def carry_out(services: Services, dataset: Dataset, step: Step) -> Outcome:
    """Prepare the dataset; a second time gives the same files."""
    token = services.settings.hub_token.get_secret_value() or None
    folder = services.settings.folder.absolute() / "datasets" / dataset.id
    report = prepare(dataset_request(dataset), folder, progress=_Teller(services, dataset.id).tell, hub_token=token)
    changes = {"state": "ready", "report": to_stored(report), "rows_read": report.rows_read}
    data = {"rows": report.rows, "bad_rows": report.bad_rows, "sha256": report.sha256}
    return Outcome(changes, (Told(EventKind.DATASET_READY, data),))


def given_up(dataset: Dataset, step: Step, error: UserError) -> Outcome:
    """Return the outcome of a dataset that cannot be prepared."""
    failure = failure_of(error)
    return Outcome({"state": "failed", "failure": failure}, (Told(EventKind.DATASET_FAILED, failure),))


class _Teller:
    """Writes how far a preparation is, at most every three seconds."""

    def __init__(self, services: Services, dataset_id: str) -> None:
        self._services = services
        self._id = dataset_id
        self._next = services.clock() + _TELL_EVERY

    def tell(self, progress: Progress) -> None:
        now = self._services.clock()
        if now < self._next:
            return
        self._next = now + _TELL_EVERY
        with self._services.store.transaction() as session:
            dataset = session.get_one(Dataset, self._id)
            dataset.rows_read = progress.rows
            told = EventKind.DATASET_PROGRESSED
            record_event(session, dataset, told, now, rows_read=progress.rows, fraction=progress.fraction)
