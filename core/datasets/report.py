"""What is known about a dataset once it is prepared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

CHARACTERS_PER_TOKEN = 4
"""English text in the tokenizers of chat models: about four characters per token. For estimates only."""


@dataclass(frozen=True)
class Progress:
    """How far the preparation is: `rows` rows read so far; `fraction` from 0 to 1, or None when the end is not
    known.
    """

    rows: int
    fraction: float | None


@dataclass(frozen=True)
class Problem:
    """One row that was left out: `line` is its line (jsonl) or row number, counted from 1, in `file` (a file's name or
    a split).
    """

    line: int
    code: str
    message: str
    file: str


@dataclass(frozen=True)
class PreviewRow:
    """A row shortened for people: the first question, the last answer and the number of messages."""

    prompt: str
    answer: str
    messages: int


@dataclass(frozen=True)
class CharacterStatistics:
    """Characters of content per row, over all three files."""

    mean: float
    p95: int
    maximum: int
    total: int

    @property
    def estimated_tokens(self) -> int:
        """Return about how many tokens all contents have, at four characters each."""
        return self.total // CHARACTERS_PER_TOKEN


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """A prepared dataset: where its three files are, what is in them and what was left out.

    `rows` is ``train_rows + validation_rows + test_rows``. `rows_read` also counts what was left out: `bad_rows` that
    cannot be used (the first twenty in `problems`, all counted in `bad_rows_by_code`), `duplicates` whose conversation
    was there before, `leakage` rows of the training split whose prompt is also in the test split, and rows outside of
    the percent asked for. `sha256` identifies the content of the three files; `bytes` is their size.
    """

    rows: int
    rows_read: int
    train_rows: int
    validation_rows: int
    test_rows: int
    bad_rows: int
    bad_rows_by_code: tuple[tuple[str, int], ...]
    problems: tuple[Problem, ...]
    duplicates: int
    leakage: int
    characters: CharacterStatistics
    preview: tuple[PreviewRow, ...]
    sha256: str
    train_path: Path
    validation_path: Path
    test_path: Path
    bytes: int

    def preview_frame(self) -> DataFrame:
        """Return the preview as a pandas DataFrame; pandas is loaded only by who asks for it."""
        from pandas import DataFrame

        return DataFrame([vars(row) for row in self.preview], columns=["prompt", "answer", "messages"])
