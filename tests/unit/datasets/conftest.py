"""Rows and files to prepare."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

Row = dict[str, Any]


def chat(prompt: str, answer: str = "An answer.") -> Row:
    """Return a row as HuggingFaceH4/ultrachat_200k has it."""
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"prompt": prompt, "prompt_id": f"id of {prompt}", "messages": messages}


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[[Iterable[Row | bytes]], str]:
    """Return a function that writes rows (or raw lines) and returns the file's path."""

    def write(rows: Iterable[Row | bytes]) -> str:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b"\n".join(row if isinstance(row, bytes) else msgspec.json.encode(row) for row in rows))
        return str(path)

    return write


def read(path: Path) -> list[Row]:
    """Return the rows of a written file."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
