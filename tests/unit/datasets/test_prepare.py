"""A dataset from request to report."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.datasets import DatasetReport, DatasetRequest, Progress, prepare
from core.errors import DatasetError
from tests.unit.datasets.conftest import Row, chat, read

Jsonl = Callable[[Iterable[Row | bytes]], str]


def run(source: str, folder: Path, **options: Any) -> DatasetReport:
    return prepare(DatasetRequest(source=source, **options), folder, progress=lambda progress: None)


def test_the_report_tells_what_is_in_the_files(jsonl: Jsonl, tmp_path: Path) -> None:
    """The numbers on my dataset's card are those of its files."""
    rows = [chat(f"Question {number:03}") for number in range(100)]
    report = run(jsonl(rows), tmp_path / "out")
    written = {path: read(path) for path in (report.train_path, report.validation_path, report.test_path)}
    assert [len(each) for each in written.values()] == [90, 5, 5]
    assert (report.train_rows, report.validation_rows, report.test_rows) == (90, 5, 5)
    assert (report.rows, report.rows_read, report.bad_rows, report.duplicates, report.leakage) == (100, 100, 0, 0, 0)
    assert sorted((row for each in written.values() for row in each), key=lambda row: row["prompt"]) == rows
    assert (report.characters.mean, report.characters.p95, report.characters.maximum) == (22, 22, 22)
    assert report.characters.estimated_tokens == 550
    assert report.bytes == sum(path.stat().st_size for path in written)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]


def test_the_same_request_gives_the_same_dataset(jsonl: Jsonl, tmp_path: Path) -> None:
    """Whoever prepares my file again gets the same hash; a changed row gives another one."""
    rows = [chat(f"Question {number}") for number in range(30)]
    first, again = run(jsonl(rows), tmp_path / "a", percent=50), run(jsonl(rows), tmp_path / "b", percent=50)
    assert first.sha256 == again.sha256
    assert first.rows < 30
    rows[7]["messages"][1]["content"] = "Another answer."
    assert run(jsonl(rows), tmp_path / "c").sha256 != run(jsonl(rows[:-1]), tmp_path / "d").sha256 != first.sha256


def test_a_percentage_takes_about_that_many_rows(jsonl: Jsonl, tmp_path: Path) -> None:
    """Ten percent of my rows are about a tenth of them, spread over the file."""
    report = run(jsonl([chat(f"Question {number}") for number in range(3000)]), tmp_path / "out", percent=10)
    assert report.rows_read == 3000
    assert report.rows == pytest.approx(300, rel=0.25)


def test_bad_rows_are_left_out_and_listed_with_their_lines(jsonl: Jsonl, tmp_path: Path) -> None:
    """I see the line and the reason of each bad row, of the first twenty at least."""
    good = [chat(f"Question {number}") for number in range(40)]
    report = run(jsonl([*good[:2], b"{broken", b"", *([chat("x", " ")] * 24), *good[2:]]), tmp_path / "out")
    assert (report.rows, report.bad_rows, report.rows_read) == (40, 25, 65)
    assert report.bad_rows_by_code == (("missing_content", 24), ("not_json", 1))
    assert [(problem.line, problem.code) for problem in report.problems[:2]] == [
        (3, "not_json"),
        (5, "missing_content"),
    ]
    assert report.problems[1].file == "rows.jsonl"
    assert len(report.problems) == 20


def test_a_mostly_bad_dataset_is_refused(jsonl: Jsonl, tmp_path: Path) -> None:
    """A file of something else is not silently cut to its few good rows."""
    source = jsonl([*[chat(f"Question {number}") for number in range(5)], *[{"text": "x"}] * 6])
    with pytest.raises(DatasetError) as error:
        run(source, tmp_path / "out")
    assert error.value.what == "6 of 11 rows cannot be used."
    assert "missing_messages_list" in error.value.why
    assert "line 6" in error.value.why
    assert list((tmp_path / "out").iterdir()) == []


def test_i_can_refuse_any_bad_row(jsonl: Jsonl, tmp_path: Path) -> None:
    """With max_bad_rows=0 one bad row is too many; with 1 it is not."""
    source = jsonl([*[chat(f"Question {number}") for number in range(5)], b"{"])
    with pytest.raises(DatasetError, match="1 of 6 rows cannot be used"):
        run(source, tmp_path / "out", max_bad_rows=0)
    assert run(source, tmp_path / "out", max_bad_rows=1).rows == 5


def test_duplicates_are_left_out(jsonl: Jsonl, tmp_path: Path) -> None:
    """The same conversation twice trains once; another answer to the same prompt is another row."""
    rows = [chat(f"Question {number}") for number in range(10)]
    report = run(jsonl([*rows, rows[3] | {"prompt_id": "other"}, chat("Question 3", "Better.")]), tmp_path / "out")
    assert (report.rows, report.duplicates) == (11, 1)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "The dataset is empty."),
        (b"\n \n", "The dataset is empty."),
        (b"\xff\xfe{\x00}\x00", "rows.jsonl is not UTF-8."),
        (b'\xef\xbb\xbf [\n{"messages"', "rows.jsonl is one JSON array, not JSON Lines."),
        ('{"messages": "ä"}\n'.encode("latin-1"), "1 of 1 rows cannot be used."),
    ],
)
def test_a_file_that_is_no_dataset_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    """I am told what my file is instead."""
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(DatasetError) as error:
        run(str(tmp_path / "rows.jsonl"), tmp_path / "out")
    assert error.value.what == what


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"percent": 0}, "0 % of a dataset"),
        ({"percent": 101}, "101 % of a dataset"),
        ({"percent": float("nan")}, "nan % of a dataset"),
        ({"validation_share": 0}, "validation_share is 0"),
        ({"test_share": 0.6}, "test_share is 0.6"),
        ({"validation_share": 0.5, "test_share": 0.5}, "Less than 20 %"),
        ({"max_bad_rows": -1}, "max_bad_rows is negative"),
        ({"source": " "}, "No dataset was named"),
    ],
)
def test_a_senseless_request_is_refused(options: dict[str, Any], text: str) -> None:
    """I am told which number is out of range before anything is read."""
    with pytest.raises(DatasetError, match=text):
        DatasetRequest(**({"source": "rows.jsonl"} | options))


def test_progress_is_told_and_can_end_the_work(jsonl: Jsonl, tmp_path: Path) -> None:
    """I see how far it is, and a cancelled preparation leaves nothing behind."""
    source = jsonl([chat(f"Question {number}", "word " * 200) for number in range(3000)])
    seen: list[Progress] = []
    prepare(DatasetRequest(source=source), tmp_path / "out", progress=seen.append)
    assert [step.rows for step in seen] == sorted({step.rows for step in seen})
    assert seen[0].fraction is not None
    assert 0 < seen[0].fraction < 0.6
    assert seen[-1] == Progress(3000, 1)

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(DatasetRequest(source=source), tmp_path / "cancelled", progress=stop)
    assert list((tmp_path / "cancelled").iterdir()) == []


def test_a_failed_preparation_leaves_the_older_one_alone(jsonl: Jsonl, tmp_path: Path) -> None:
    """My prepared dataset stays whole when a later attempt fails."""
    before = run(jsonl([chat(f"Question {number}") for number in range(10)]), tmp_path / "out")
    content = before.train_path.read_bytes()
    with pytest.raises(DatasetError):
        run(jsonl([b"{"]), tmp_path / "out")
    assert before.train_path.read_bytes() == content
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_the_preview_is_short_and_a_data_frame(jsonl: Jsonl, tmp_path: Path) -> None:
    """I see the first rows, shortened, as a table."""
    rows = [chat(f"Question {number}", "word " * 100) for number in range(10)]
    system = [{"role": "system", "content": "Be\nshort."}, *chat("And now?", "x\n\ny")["messages"]]
    frame = run(jsonl([chat("s") | {"messages": system}, *rows]), tmp_path / "out").preview_frame()
    assert list(frame.columns) == ["prompt", "answer", "messages"]
    assert frame.iloc[0].tolist() == ["And now?", "x y", 3]
    assert len(frame) == 5
    assert frame["answer"].str.len().max() == 200
    assert frame["answer"].iloc[1].endswith("…")


def test_preparing_jsonl_loads_no_heavy_library(jsonl: Jsonl, tmp_path: Path) -> None:
    """Preparing a file in the bot's process costs no hundred megabytes of imports."""
    source = jsonl([chat(f"Question {number}") for number in range(10)])
    program = (
        "import sys; from pathlib import Path; from core.datasets import DatasetRequest, prepare;"
        f"prepare(DatasetRequest(source={source!r}), Path({str(tmp_path / 'out')!r}), progress=lambda progress: None);"
        "print(sorted({'pandas', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_a_full_disk_is_told_and_cleaned_up(jsonl: Jsonl, tmp_path: Path) -> None:
    """When the files cannot grow any more, I am told, and no half-written file remains."""
    source = jsonl([chat(f"Question {number}", "word " * 400) for number in range(2000)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(DatasetError) as error:
            run(source, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.what == "There is no space left for the prepared dataset."
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Take root's privileges away, if the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.usefixtures("ordinary_user")
def test_missing_permissions_are_told() -> None:
    """I am told when the source may not be read, or the target may not be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(b"\n".join(msgspec.json.encode(chat(f"Question {number}")) for number in range(10)))
        Path(folder).chmod(0o500)
        with pytest.raises(DatasetError, match="cannot be written") as error:
            run(str(path), Path(folder) / "out")
        assert error.value.why == "Permission denied."
        Path(folder).chmod(0o700)
        path.chmod(0)
        with pytest.raises(DatasetError, match=r"rows.jsonl cannot be read") as error:
            run(str(path), Path(folder) / "out")
        assert error.value.why == "Permission denied."


def test_a_folder_that_cannot_be_made_is_told(jsonl: Jsonl, tmp_path: Path) -> None:
    """I am told when the prepared files have no place to go."""
    source = jsonl([chat(f"Question {number}") for number in range(10)])
    with pytest.raises(DatasetError) as error:
        run(source, Path(source) / "out")
    assert "cannot be written" in error.value.what
    assert "Not a directory" in error.value.why
