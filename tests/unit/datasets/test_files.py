"""Parquet, csv and folders of files."""

from pathlib import Path

import msgspec
import pandas
import pytest

from core.datasets import DatasetReport, DatasetRequest, prepare
from core.errors import DatasetError
from tests.unit.datasets.conftest import chat, read

ROWS = [chat(f'Question {number}: ä€\n"quoted", and more') for number in range(20)]


def run(path: Path) -> DatasetReport:
    return prepare(DatasetRequest(source=str(path)), path.parent / "out", progress=lambda progress: None)


def prompts(report: DatasetReport) -> list[str]:
    rows = [*read(report.train_path), *read(report.validation_path), *read(report.test_path)]
    return sorted(row["prompt"] for row in rows)


EXPECTED = sorted(row["prompt"] for row in ROWS)


def test_parquet_rows_arrive_whole(tmp_path: Path) -> None:
    """My parquet file becomes the same rows as my jsonl file."""
    pandas.DataFrame(ROWS).to_parquet(tmp_path / "rows.parquet")
    report = run(tmp_path / "rows.parquet")
    assert prompts(report) == EXPECTED
    assert all(row in ROWS for row in read(report.train_path))


def test_csv_with_messages_as_json_arrives_whole(tmp_path: Path) -> None:
    """A csv with a messages column works, quotes and line feeds included."""
    frame = pandas.DataFrame({"messages": [msgspec.json.encode(row["messages"]).decode() for row in ROWS]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert prompts(run(tmp_path / "rows.csv")) == EXPECTED


def test_csv_with_prompt_and_completion_arrives_whole(tmp_path: Path) -> None:
    """A csv from a spreadsheet works: byte order mark, empty cells reported as rows without content."""
    frame = pandas.DataFrame([{"prompt": row["prompt"], "completion": "NA"} for row in ROWS])
    frame.loc[len(frame)] = ["A question without an answer", ""]
    frame.to_csv(tmp_path / "rows.csv", index=False, encoding="utf-8-sig")
    report = run(tmp_path / "rows.csv")
    assert prompts(report) == EXPECTED
    assert [(problem.line, problem.code) for problem in report.problems] == [(21, "missing_content")]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """All files of my folder are one dataset; what is no dataset file is left alone."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2):
        lines = [msgspec.json.encode(row) for row in ROWS[number * 7 : number * 7 + 7]]
        (folder / f"{number}.jsonl").write_bytes(b"\n".join([*lines, b"{"]))
    pandas.DataFrame(ROWS[14:]).to_parquet(folder / "2.parquet")
    (folder / "README.md").write_text("about")
    report = run(folder)
    assert prompts(report) == EXPECTED
    assert [(problem.file, problem.line) for problem in report.problems] == [("0.jsonl", 8), ("1.jsonl", 8)]


@pytest.mark.parametrize(
    ("name", "content", "what", "more"),
    [
        ("rows.csv", b"prompts,completion\na,b\n", "neither a messages column", "prompts → prompt"),
        ("rows.csv", b"", "rows.csv is empty", ""),
        ("rows.csv", "prompt,completion\nä,b\n".encode("latin-1"), "rows.csv is not UTF-8", "Save it as UTF-8"),
        ("rows.csv", b"prompt,completion\na,b\na,b,c,d\n", "cannot be read as csv", "line 3"),
        ("rows.parquet", b"garbage", "cannot be read as parquet", "7 bytes"),
        ("rows.txt", b"x", "rows.txt is not a kind of file", ".jsonl"),
    ],
)
def test_an_unreadable_file_is_explained(tmp_path: Path, name: str, content: bytes, what: str, more: str) -> None:
    """I am told why my file cannot be read and what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=what) as error:
        run(tmp_path / name)
    assert more in str(error.value)


def test_a_misspelled_file_gets_a_suggestion(tmp_path: Path) -> None:
    """I am shown the name that I probably meant."""
    (tmp_path / "support-chats.jsonl").write_text("{}")
    with pytest.raises(DatasetError) as error:
        run(tmp_path / "suport-chats.jsonl")
    assert error.value.what == "There is no file suport-chats.jsonl."
    assert error.value.next == "Did you mean support-chats.jsonl?"


def test_a_folder_without_datasets_is_told(tmp_path: Path) -> None:
    """I am told which files a folder needs."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="has no dataset file") as error:
        run(tmp_path / "empty")
    assert ".parquet" in error.value.next
