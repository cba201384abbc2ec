"""Rows of a chat dataset: one JSON object with `messages` in each line of a file."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.errors import DatasetError

MOST_PROBLEMS_SHOWN = 5


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation; `role` is system, user, assistant or whatever else the chat template knows."""

    role: str
    content: str


class Row(msgspec.Struct, frozen=True):
    """One conversation; other columns of the file, such as UltraChat's prompt and prompt_id, are not read."""

    messages: list[Message]


def read_rows(path: Path, input_name: str) -> list[Row]:
    """Return the rows of a JSON lines file given as `input_name`; empty lines are skipped.

    Raises DatasetError naming the input, and the first lines that are wrong with what is wrong in each.
    """
    if not path.is_file():
        raise DatasetError(f"{input_name}: there is no file {path.name}.", next="Give a JSON lines file.")
    rows: list[Row] = []
    problems: list[str] = []
    decoder = msgspec.json.Decoder(Row)
    for number, line in numbered_lines(path):
        try:
            row = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(f"line {number}: {error}")
            continue
        problem = wrong_with(row)
        if problem:
            problems.append(f"line {number}: {problem}")
        rows.append(row)
    if problems:
        more = len(problems) - MOST_PROBLEMS_SHOWN
        shown = "; ".join(problems[:MOST_PROBLEMS_SHOWN]) + (f"; and {more} more lines" if more > 0 else "")
        raise DatasetError(
            f"{input_name}: {len(problems)} of the lines of {path.name} are not chat rows.",
            why=shown + ".",
            next='A row is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.',
        )
    if not rows:
        raise DatasetError(f"{input_name}: {path.name} is empty.", next="Give a file with at least one row.")
    return rows


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not blank with its number, counted from 1."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def wrong_with(row: Row) -> str:
    """Return what makes a row useless for training, or an empty string."""
    if not row.messages:
        return "messages is empty"
    if not any(message.role == "assistant" and message.content.strip() for message in row.messages):
        return "no message of the assistant has content, so there is nothing to learn"
    return ""
