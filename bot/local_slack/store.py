"""What the workspace remembers over a restart: dataclasses in one SQLite file."""

import sqlite3
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from core.mishaps import refused_by_sqlite

Value = TypeVar("Value")


class Store:
    """Values by kind and key, in insertion order; every `put` is durable when it returns, also after a kill -9."""

    def __init__(self, path: Path) -> None:
        """Open or create the store at `path`, whose folder must exist, for this process alone.

        Raises ConfigurationError when another process has it, or it cannot be used.
        """
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=1)
        try:
            self._create()
        except sqlite3.Error as error:
            self._database.close()
            raise refused_by_sqlite(error, path) from error

    def _create(self) -> None:
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives the death of the process; only a power cut may lose the last moments.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry (sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
            " kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (kind, key))"
        )

    def put(self, key: str, value: Any) -> None:
        """Store `value` under its class and `key`; an existing key keeps its place in the order."""
        self._database.execute(
            "INSERT INTO entry (kind, key, value) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
            (type(value).__name__, key, msgspec.json.encode(value)),
        )

    def all(self, kind: type[Value]) -> dict[str, Value]:
        """Return the values of a class by their keys, oldest first."""
        rows = self._database.execute(
            "SELECT key, value FROM entry WHERE kind = ? ORDER BY sequence", (kind.__name__,)
        ).fetchall()
        return {key: msgspec.json.decode(value, type=kind) for key, value in rows}

    def clear(self, kind: type[Any]) -> None:
        """Forget every value of a class."""
        self._database.execute("DELETE FROM entry WHERE kind = ?", (kind.__name__,))

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._database.close()
