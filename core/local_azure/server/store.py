"""What the workspace remembers: msgspec structs in one SQLite file."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from core.mishaps import refused_by_sqlite

Value = TypeVar("Value", bound=msgspec.Struct)


class Store:
    """Structs by kind and key, in insertion order; every `put` is durable when it returns, also after a kill -9."""

    def __init__(self, path: Path) -> None:
        """Open or create the store at `path`, whose folder must exist.

        Raises ConfigurationError when it cannot be used.
        """
        self._lock = threading.RLock()
        self._depth = 0
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._create()
        except sqlite3.Error as error:
            self._database.close()
            raise refused_by_sqlite(error, path) from error

    def _create(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives the death of the process; only a power cut may lose the last moments.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry (sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
            " kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (kind, key))"
        )

    def put(self, kind: str, key: str, value: msgspec.Struct) -> None:
        """Store `value`; an existing key keeps its place in the order."""
        with self._lock:
            self._database.execute(
                "INSERT INTO entry (kind, key, value) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                (kind, key, msgspec.json.encode(value, enc_hook=_encode)),
            )

    def get(self, kind: str, key: str, type: type[Value]) -> Value | None:
        """Return the value stored under `kind` and `key`, or None."""
        with self._lock:
            row = self._database.execute("SELECT value FROM entry WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return _decode(row[0], type) if row else None

    def list(self, kind: str, type: type[Value]) -> list[Value]:
        """Return all values of `kind`, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT value FROM entry WHERE kind = ? ORDER BY sequence", (kind,)
            ).fetchall()
        return [_decode(value, type) for (value,) in rows]

    def delete(self, kind: str, key: str) -> bool:
        """Remove the value under `kind` and `key`; return whether there was one."""
        with self._lock:
            return self._database.execute("DELETE FROM entry WHERE kind = ? AND key = ?", (kind, key)).rowcount > 0

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._database.execute("DELETE FROM entry")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside one atomic step: other threads wait, and an exception undoes all of it."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._database.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._database.execute("COMMIT")
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        with self._lock:
            self._database.close()


def _encode(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _decode(value: bytes, type: type[Value]) -> Value:
    return msgspec.json.decode(value, type=type, dec_hook=_path)


def _path(type: type[Any], value: object) -> object:
    if issubclass(type, PurePath):
        return type(str(value))
    raise TypeError(f"{type.__name__} cannot be stored")
