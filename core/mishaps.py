"""What this machine refuses, in a person's words: a full disk, a damaged file, a folder that is not ours, a setting."""

import errno
import sqlite3
from pathlib import Path

from pydantic import ValidationError

from core.errors import ConfigurationError

_FREE_SPACE = "Free some space, or choose another folder, and start again: what was written is kept."
_BEGIN_ANEW = "Restore it from a backup, or move it away to begin anew."
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def refused_by_system(error: OSError, place: Path | str | None = None) -> ConfigurationError:
    """Return what an error of the operating system about a file means; `place` when the error names none."""
    where = place or error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ConfigurationError(
            "The disk is full." if where == "a file" else f"The disk of {where} is full.", next=_FREE_SPACE
        )
    return ConfigurationError(
        f"{where} cannot be used.",
        why=f"{error.strerror or type(error).__name__}.",
        next="Check the path, who owns it and who may write there, or choose another folder.",
    )


def refused_by_sqlite(error: sqlite3.Error, file: Path) -> ConfigurationError:
    """Return what an error means that SQLite raised when it opened `file`."""
    # The low byte is the primary code: https://sqlite.org/rescode.html
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ConfigurationError(
            f"{file} is in use by another finetune-bot.", next="Stop that one, or use another folder."
        )
    if code == sqlite3.SQLITE_FULL:
        return ConfigurationError(f"The disk of {file} is full.", next=_FREE_SPACE)
    if code in _DAMAGED:
        return damaged(file, str(error))
    return ConfigurationError(
        f"{file} cannot be opened.", why=f"{error}.", next="Check free space and who may write there."
    )


def damaged(file: Path, why: str) -> ConfigurationError:
    """Return the error for a file of ours that cannot be understood; it is left as it is."""
    return ConfigurationError(f"{file} is damaged.", why=f"{why.rstrip('.')}.", next=_BEGIN_ANEW)


def missing_package(error: ModuleNotFoundError) -> ConfigurationError | None:
    """Return what to install when a package of an extra is missing; None when the module is our own."""
    package = (error.name or "").split(".")[0]
    if package in ("", "bot", "core"):
        return None
    return ConfigurationError(
        "This needs packages that are not installed.",
        why=f"{package} is missing.",
        next="Install them with: pip install 'finetune-bot[local]' (in a checkout: pip install -e '.[local]').",
    )


def wrong_setting(error: ValidationError) -> ConfigurationError:
    """Return which environment variables are wrong, and never what they contain: some are secrets."""
    prefix = {"SlackSettings": "SLACK_", "AzureSettings": "AZURE_"}.get(error.title, "FINETUNE_BOT_")
    wrong = [(prefix + "_".join(map(str, one["loc"])).upper(), one["msg"]) for one in error.errors()]
    return ConfigurationError(
        f"{' and '.join(name for name, _ in wrong)} cannot be used.",
        why=" ".join(f"{name}: {message}." for name, message in wrong),
        next="README's table says what each setting means; durations are written like PT1H.",
    )
