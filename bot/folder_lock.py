"""One process per folder: the records in it have one writer, who may take over what a dead one left."""

import fcntl
import os
from io import TextIOWrapper
from pathlib import Path

from core.errors import ConfigurationError


class FolderLock:
    """A lock that the operating system lets go of when its process ends, however it ends."""

    def __init__(self, folder: Path, name: str = "lock") -> None:
        self._path = folder / name
        self._file: TextIOWrapper | None = None

    def take(self) -> None:
        """Take the lock; raises ConfigurationError when another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise ConfigurationError(
                f"Another finetune-bot works in {self._path.parent}" + (f" (process {holder})." if holder else "."),
                next="Stop it, or choose another folder.",
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go of the lock, if it was taken."""
        if self._file is not None:
            self._file.close()
            self._file = None
