"""Rows from files: JSON Lines read as bytes, parquet through `datasets`, csv through pandas, each loaded only when such
a file comes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rapidfuzz import process

from core.datasets.batches import ROWS_PER_BATCH, Batch, Source
from core.errors import DatasetError

BYTES_PER_BATCH = 1 << 20
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_COLUMNS = ("messages", "prompt", "completion", "prompt_id")


def file_source(path: Path, percent: float) -> Source:
    """Return the rows of a file, or of all files in a folder in the order of their names.

    Raises `DatasetError` at once if there is nothing to read, and while reading if a file turns out unreadable.
    """
    if path.is_dir():
        paths = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in _READERS and entry.is_file())
        if not paths:
            raise DatasetError(
                f"The folder {path} has no dataset file.", next=f"It needs files ending in {_known_endings()}."
            )
    elif path.suffix.lower() in _READERS and path.is_file():
        paths = [path]
    else:
        raise DatasetError(
            f"{path.name} is not a kind of file that can be read.", next=f"Give a file ending in {_known_endings()}."
        )
    return Source(_batches(paths), has_test=False, percent=percent)


def missing_file(path: Path) -> DatasetError:
    """Return the error for a path that does not exist, with the nearest name beside it."""
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    nearest = process.extractOne(path.name, siblings, score_cutoff=60)
    return DatasetError(
        f"There is no file {path.name}.", next=f"Did you mean {nearest[0]}?" if nearest else "Check the path."
    )


def _batches(paths: list[Path]) -> Iterator[Batch]:
    sizes = [path.stat().st_size for path in paths]
    total = sum(sizes) or 1
    for number, path in enumerate(paths):
        before = sum(sizes[:number])

        def fraction(done: int, before: int = before) -> float:
            return (before + done) / total

        try:
            yield from _READERS[path.suffix.lower()](path, fraction)
        except OSError as error:
            raise DatasetError(
                f"{path.name} cannot be read.",
                why=f"{error.strerror or error}.",
                next="Check the file and its permissions.",
            ) from error


def _json_lines(path: Path, fraction: Callable[[int], float]) -> Iterator[Batch]:
    with path.open("rb") as file:
        _check_beginning(file, path.name)
        first = 1
        while lines := file.readlines(BYTES_PER_BATCH):
            yield Batch(path.name, first, lines, fraction(file.tell()))
            first += len(lines)


def _check_beginning(file: BinaryIO, name: str) -> None:
    """Leave the file behind its byte order mark; raise `DatasetError` if it is plainly something else than JSON Lines
    in UTF-8.
    """
    head = file.read(4096)
    if head.startswith(_UTF16_MARKS):
        raise DatasetError(f"{name} is not UTF-8.", why="It begins like a UTF-16 file.", next="Save it as UTF-8.")
    mark = len(_UTF8_MARK) if head.startswith(_UTF8_MARK) else 0
    if head[mark:].lstrip().startswith(b"["):
        raise DatasetError(
            f"{name} is one JSON array, not JSON Lines.", next="Write one row per line, e.g. with: jq -c '.[]'."
        )
    file.seek(mark)


def _parquet(path: Path, fraction: Callable[[int], float]) -> Iterator[Batch]:
    import datasets
    from pyarrow import ArrowException

    first = 1
    try:
        rows = datasets.load_dataset("parquet", data_files=[str(path)], split="train", streaming=True)
        check_columns(rows.column_names, path.name)
        for table in rows.with_format("arrow").iter(batch_size=ROWS_PER_BATCH):
            yield Batch(path.name, first, table.to_pylist(), fraction(0))
            first += len(table)
    except (ArrowException, ValueError) as error:
        raise DatasetError(f"{path.name} cannot be read as parquet.", why=first_line(error)) from error


def _csv(path: Path, fraction: Callable[[int], float]) -> Iterator[Batch]:
    import pandas

    first = 1
    try:
        with (
            path.open("rb") as file,
            pandas.read_csv(
                file, chunksize=ROWS_PER_BATCH, dtype=str, keep_default_na=False, encoding="utf-8-sig"
            ) as frames,
        ):
            for frame in frames:
                check_columns(list(frame.columns), path.name)
                yield Batch(path.name, first, frame.to_dict("records"), fraction(file.tell()))
                first += len(frame)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.name} is not UTF-8.", why=first_line(error), next="Save it as UTF-8.") from error
    except pandas.errors.EmptyDataError as error:
        raise DatasetError(f"{path.name} is empty.") from error
    except pandas.errors.ParserError as error:
        raise DatasetError(f"{path.name} cannot be read as csv.", why=first_line(error)) from error


def check_columns(columns: list[Any] | None, name: str) -> None:
    """Raise `DatasetError` unless there is a messages column, or prompt and completion; unknown columns (None) are for
    the rows to show.
    """
    if columns is None or "messages" in columns or {"prompt", "completion"} <= set(columns):
        return
    near = [
        f"{column} → {match[0]}"
        for column in columns
        if (match := process.extractOne(str(column), _COLUMNS, score_cutoff=70))
    ]
    raise DatasetError(
        f"{name} has neither a messages column nor prompt and completion.",
        why=f"Its columns are {', '.join(map(str, columns[:20]))}.",
        next=f"Rename them ({', '.join(near)}?)." if near else "Rename them.",
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, at most 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _known_endings() -> str:
    return ", ".join(_READERS)


_READERS: dict[str, Callable[[Path, Callable[[int], float]], Iterator[Batch]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_lines,
    ".parquet": _parquet,
    ".csv": _csv,
}
