"""Why the records could not be opened, in a person's words."""

import sqlite3
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.errors import ConfigurationError
from core.mishaps import refused_by_sqlite

UNUSABLE = (SQLAlchemyError, CommandError, ImportError)
"""What opening and migrating a database raise when it cannot be used."""


def unusable(url: str, error: Exception) -> ConfigurationError:
    """Return what one of UNUSABLE means for the database at `url`, whose password it does not repeat."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return refused_by_sqlite(cause, Path(url.removeprefix("sqlite:///")))
    if isinstance(error, CommandError):
        return ConfigurationError(
            "The records cannot be read.",
            why="Another version of finetune-bot made them.",
            next="Run that version or a newer one.",
        )
    if isinstance(error, ImportError):
        return ConfigurationError(
            "The database's driver is not installed.", next="Install it with: pip install 'finetune-bot[postgres]'."
        )
    return ConfigurationError(
        "The database of FINETUNE_BOT_DATABASE_URL does not answer.",
        why=str(cause).splitlines()[0][:200] if cause and str(cause) else "",
        next="Check the URL, for example postgresql+psycopg://user:password@host/database, and that the server runs.",
    )
