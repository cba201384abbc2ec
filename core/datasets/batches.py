"""How every source hands over its rows: in batches, in constant memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ROWS_PER_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows as they were read: lines of JSON, or records of columns.

    `first` is the line or row number of the first one in `file`; `is_test` says that the source itself calls them test
    rows; `fraction` is how far the reading is after this batch (None: unknown).
    """

    file: str
    first: int
    rows: list[bytes] | list[dict[str, Any]]
    fraction: float | None
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source: its `batches` (test rows first), whether it `has_test` rows of its own, and the `percent` of
    its rows still to be sampled.
    """

    batches: Iterator[Batch]
    has_test: bool
    percent: float
