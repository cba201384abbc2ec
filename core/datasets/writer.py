"""The three files of a prepared dataset: there completely, or not at all."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import DatasetError

BUFFER_BYTES = 1 << 20
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Part(StrEnum):
    """One of the three files; the value is its name without the ending."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class PartFile:
    """One file that is being written beside its final place, and hashed on the way."""

    def __init__(self, folder: Path, part: Part) -> None:
        self.path = folder / f"{part}.jsonl"
        self.rows = 0
        self.bytes = 0
        self.hash = hashlib.sha256()
        self._unfinished = folder / f".{part}.{os.getpid()}.unfinished"
        self._file = self._unfinished.open("wb", buffering=0)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def write(self, line: bytes) -> None:
        """Add one row, a line with its line feed."""
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self.rows += 1
        if self._waiting_bytes >= BUFFER_BYTES:
            self._flush()

    def finish(self) -> None:
        """Bring everything to the disk, still under the unfinished name."""
        self._flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def publish(self) -> None:
        """Give the finished file its name, over an older file of that name."""
        self._unfinished.replace(self.path)

    def discard(self) -> None:
        """Remove whatever is not published."""
        self._file.close()
        self._unfinished.unlink(missing_ok=True)

    def _flush(self) -> None:
        block = b"".join(self._waiting)
        self.hash.update(block)
        self.bytes += len(block)
        rest = memoryview(block)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._waiting.clear()
        self._waiting_bytes = 0


class DatasetWriter:
    """The three files as one: inside ``with`` rows are written; `publish` gives all three their names; without it,
    nothing remains.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[Part, PartFile] = {}

    def __enter__(self) -> Self:
        """Open the files; raises `DatasetError` if the folder cannot be written."""
        with disk_errors_explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                for part in Part:
                    self.files[part] = PartFile(self.folder, part)
            except OSError:
                self.__exit__(None, None, None)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove what is not published."""
        for file in self.files.values():
            file.discard()

    def write(self, part: Part, line: bytes) -> None:
        """Add one row to one of the files; raises `OSError`."""
        self.files[part].write(line)

    def publish(self) -> None:
        """Finish all three files, then name them; raises `DatasetError` when the disk is full."""
        with disk_errors_explained(self.folder):
            for file in self.files.values():
                file.finish()
            for file in self.files.values():
                file.publish()

    def sha256(self) -> str:
        """Return the content hash of the three finished files together."""
        together = hashlib.sha256()
        for part in Part:
            together.update(f"{part} {self.files[part].hash.hexdigest()}\n".encode())
        return together.hexdigest()


@contextmanager
def disk_errors_explained(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors about the target folder into a `DatasetError`."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in _NO_SPACE:
            raise DatasetError(
                "There is no space left for the prepared dataset.",
                why=f"{why} while writing in {folder}.",
                next="Free some space, or take a smaller percent. Nothing was left behind.",
            ) from error
        raise DatasetError(f"The prepared dataset cannot be written in {folder}.", why=f"{why}.") from error
