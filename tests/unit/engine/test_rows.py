"""Chat rows: what is accepted, what is refused, and how rows are split."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DatasetError
from core.local_azure.engine.data_preprocess import split_rows
from core.local_azure.engine.rows import Message, Row, read_rows

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def write(path: Path, *lines: object) -> Path:
    """Write lines, text as it is and everything else as JSON."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_rows_are_read_and_other_columns_are_not(tmp_path: Path) -> None:
    """UltraChat's rows carry a prompt beside the messages, and are read all the same."""
    rows = read_rows(
        write(tmp_path / "a.jsonl", {**GOOD, "prompt": "Hi", "prompt_id": "1"}, "", GOOD), "train_file_path"
    )
    assert rows == [Row([Message("user", "Hi"), Message("assistant", "Hello")])] * 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "line 2: JSON is malformed"),
        ({"text": "Hi"}, "line 2: Object missing required field `messages`"),
        ({"messages": "Hi"}, "line 2: Expected `array`, got `str` - at `$.messages`"),
        ({"messages": [{"role": "user"}]}, "line 2: Object missing required field `content`"),
        ({"messages": []}, "line 2: messages is empty"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "line 2: no message of the assistant has content"),
    ],
)
def test_a_bad_row_is_named_by_input_and_line(tmp_path: Path, line: object, message: str) -> None:
    """A person reads which file and which line to correct."""
    with pytest.raises(DatasetError) as raised:
        read_rows(write(tmp_path / "a.jsonl", GOOD, line), "validation_file_path")
    assert "validation_file_path: 1 of the lines of a.jsonl are not chat rows." in str(raised.value)
    assert message in str(raised.value)


def test_only_the_first_bad_lines_are_listed(tmp_path: Path) -> None:
    """A file that is wrong throughout does not fill the screen."""
    with pytest.raises(DatasetError) as raised:
        read_rows(write(tmp_path / "a.jsonl", *(["x"] * 9)), "train_file_path")
    assert "line 5" in str(raised.value)
    assert "line 6" not in str(raised.value)
    assert "and 4 more lines" in str(raised.value)


def test_a_missing_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    """Both are said with the input's name."""
    with pytest.raises(DatasetError, match=r"test_file_path: there is no file a\.jsonl"):
        read_rows(tmp_path / "a.jsonl", "test_file_path")
    with pytest.raises(DatasetError, match=r"test_file_path: a\.jsonl is empty"):
        read_rows(write(tmp_path / "a.jsonl", ""), "test_file_path")


@pytest.mark.parametrize(
    ("given_splits", "sizes"),
    [
        ({"train": 100}, (80, 10, 10)),
        ({"train": 100, "test": 7}, (80, 20, 7)),
        ({"train": 100, "validation": 7}, (80, 7, 20)),
        ({"train": 100, "validation": 7, "test": 5}, (100, 7, 5)),
        ({"train": 3}, (3, 0, 0)),
    ],
)
def test_missing_splits_come_off_the_training_rows(given_splits: dict[str, int], sizes: tuple[int, int, int]) -> None:
    """The shares are the component's: giving no validation file costs training rows."""
    rows = {split: rows_of(split, count) for split, count in given_splits.items()}
    made = split_rows(rows, seed=42)
    assert tuple(len(made[split]) for split in ("train", "validation", "test")) == sizes


@given(count=st.integers(1, 60), seed=st.integers(0, 9))
def test_splitting_loses_no_row_and_repeats_none(count: int, seed: int) -> None:
    """Every training row ends in exactly one split, the same one with the same seed."""
    rows = {"train": rows_of("train", count)}
    made = split_rows(rows, seed)
    everything = [row.messages[0].content for split in made.values() for row in split]
    assert sorted(everything) == sorted(row.messages[0].content for row in rows["train"])
    assert made == split_rows(rows, seed)


def rows_of(name: str, count: int) -> list[Row]:
    """Return rows that can be told apart."""
    return [Row([Message("user", f"{name} {n}"), Message("assistant", "Yes")]) for n in range(count)]
