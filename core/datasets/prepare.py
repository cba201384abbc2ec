"""The one pass over a dataset: read, validate, sample, split, write, and keep count."""

import re
from collections.abc import Callable
from pathlib import Path

from core.datasets.batches import Source
from core.datasets.files import file_source, missing_file
from core.datasets.hub import hub_source
from core.datasets.report import DatasetReport, Progress
from core.datasets.request import DatasetRequest
from core.datasets.sorting import Sorting
from core.datasets.writer import DatasetWriter, disk_errors_explained
from core.errors import DatasetError

_HUB_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
_FILE_ENDING = re.compile(r".*\.(jsonl|ndjson|json|parquet|csv)", re.IGNORECASE)


def prepare(
    request: DatasetRequest, folder: Path, *, progress: Callable[[Progress], None], hub_token: str | None = None
) -> DatasetReport:
    """Write train.jsonl, validation.jsonl and test.jsonl into `folder` and return what is in them.

    Memory does not grow with the rows' text (a few dozen bytes are kept per row). `progress` is called about once per
    megabyte or thousand rows; what it raises ends the preparation and leaves nothing behind. Raises `DatasetError`.
    """
    source = open_source(request, hub_token)
    with DatasetWriter(folder) as writer:
        sorting = Sorting(request, writer, has_test=source.has_test, percent=source.percent)
        for batch in source.batches:
            with disk_errors_explained(folder):
                sorting.take(batch)
            progress(Progress(sorting.rows_read, batch.fraction))
        with disk_errors_explained(folder):
            sorting.finish()
        writer.publish()
        return sorting.report()


def open_source(request: DatasetRequest, hub_token: str | None) -> Source:
    """Return the source that a request names: a path that exists, else a Hugging Face dataset id; raises
    `DatasetError`.
    """
    path = Path(request.source).expanduser()
    try:
        if path.exists():
            return file_source(path, request.percent)
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read.", why=f"{error.strerror}.") from error
    if _FILE_ENDING.fullmatch(request.source) or not _HUB_ID.fullmatch(request.source):
        raise missing_file(path)
    return hub_source(request, hub_token)
