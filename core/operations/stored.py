"""Dataclasses as the JSON columns of a record hold them, and back."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def to_stored(value: object) -> Any:
    """Return a dataclass as JSON's own types; paths become text, times ISO 8601."""
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_path_to_text))


def from_stored(stored: Any, type_: type[T]) -> T:
    """Return the dataclass of `type_` that was stored."""
    return msgspec.convert(stored, type_, dec_hook=_text_to_path)


def _path_to_text(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _text_to_path(type_: type, value: Any) -> Any:
    if issubclass(type_, Path):
        return Path(value)
    raise TypeError(f"{type_.__name__} cannot be read back")
