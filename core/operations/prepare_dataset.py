"""Ask for a dataset; it is read, validated, split and written by the reconciler's workers."""

import re
from collections.abc import Sequence
from pathlib import Path

from core.datasets import DatasetReport, DatasetRequest
from core.errors import AccessError, ConflictError, DatasetError, InputError
from core.events import EventKind
from core.operations.plans import asked_by, new_token
from core.operations.stored import from_stored, to_stored
from core.records.store import record_event
from core.records.tables import Dataset
from core.services import Requester, Services

_FILE_ENDING = re.compile(r"\.(jsonl|ndjson|json|parquet|csv)(\.gz)?$", re.IGNORECASE)


def request_dataset(services: Services, requester: Requester, request: DatasetRequest) -> Dataset:
    """Record a dataset to prepare, after the checks that need no reading.

    Raises DatasetError for a path that does not exist, AccessError for one outside of the folders that may be read.
    """
    check_source(request.source, services.settings.readable_folders)
    now = services.clock()
    dataset = Dataset(
        id=f"data-{new_token()}",
        request=to_stored(request),
        state="preparing",
        created_at=now,
        next_at=now,
        **asked_by(requester),
    )
    with services.store.transaction() as session:
        session.add(dataset)
        record_event(session, dataset, EventKind.DATASET_REQUESTED, now, actor=requester.user, source=request.source)
    return dataset


def check_source(source: str, readable: Sequence[Path]) -> None:
    """Raise AccessError for a path outside of `readable`, if there are any; DatasetError when nothing is there."""
    path = Path(source).expanduser()
    if readable and path.exists() and not any(path.resolve().is_relative_to(folder) for folder in readable):
        raise AccessError(
            f"Files in `{path.parent}` are not for the bot to read.",
            why=f"It may read in {', '.join(f'`{folder}`' for folder in readable)}.",
            next="Put the file there, or ask who runs the bot to add the folder to FINETUNE_BOT_DATA_FOLDERS.",
        )
    written_as_path = path.is_absolute() or source.startswith(("./", "../", "~"))
    if written_as_path and not path.exists():
        raise DatasetError(
            f"There is no file or folder `{source}`.",
            why="The bot looks on the machine that it runs on.",
            next="Give the path as that machine sees it, or a Hugging Face dataset id.",
        )


def dataset_request(dataset: Dataset) -> DatasetRequest:
    """Return what was asked for."""
    return from_stored(dataset.request, DatasetRequest)


def dataset_report(dataset: Dataset) -> DatasetReport | None:
    """Return what was prepared; None before the dataset is ready."""
    return None if dataset.report is None else from_stored(dataset.report, DatasetReport)


def dataset_name(source: str) -> str:
    """Return the short name of a source: `ultrachat_200k` of an id, `support` of a path to support.jsonl."""
    return _FILE_ENDING.sub("", Path(source.rstrip("/")).name) or "dataset"


def ready_dataset(services: Services, requester: Requester, id_: str = "") -> tuple[Dataset, DatasetReport]:
    """Return the dataset `id_` and its report, or the requester's newest that is ready when none is named.

    Raises NotFoundError, InputError when there is none yet, ConflictError while it is prepared or when it failed.
    """
    if not id_:
        ready = services.store.find(Dataset, Dataset.owner == requester.user, Dataset.state == "ready", limit=1)
        if not ready:
            raise InputError(
                "No dataset is named, and you have none that is ready.",
                next="Prepare one with `/ft-data HuggingFaceH4/ultrachat_200k percent=5`.",
                field="dataset",
            )
        id_ = ready[0].id
    dataset = services.store.get(Dataset, id_)
    report = dataset_report(dataset)
    if dataset.state == "failed":
        why, then = ((dataset.failure or {}).get(key, "") for key in ("message", "next"))
        raise ConflictError(f"The dataset `{dataset.id}` could not be prepared.", why=why, next=then)
    if report is None:
        raise ConflictError(f"The dataset `{dataset.id}` is still being prepared.", next="Try again when it is ready.")
    return dataset, report
