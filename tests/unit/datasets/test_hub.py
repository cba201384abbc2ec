"""Hugging Face datasets, through the real `datasets` library: from a folder, and from a hub without datasets."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pandas
import pytest

from core.datasets import DatasetRequest
from core.datasets.hub import hub_source
from core.datasets.sorting import Sorting
from core.datasets.writer import DatasetWriter
from core.errors import DatasetError
from tests.unit.datasets.conftest import chat

CARD = """---
configs:
- config_name: default
  data_files:
  - {split: train_sft, path: data/train_sft-*}
  - {split: test_sft, path: data/test_sft-*}
"""
COUNTED = """dataset_info:
  splits:
  - {name: train_sft, num_examples: 200, num_bytes: 1}
  - {name: test_sft, num_examples: 40, num_bytes: 1}
"""


@pytest.fixture(params=[False, True], ids=["rows not counted", "rows counted"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a dataset folder as the hub keeps them; one of its training prompts is also a test prompt."""
    folder = tmp_path / "dataset"
    (folder / "data").mkdir(parents=True)
    train = [chat(f"Question {number}") for number in range(199)]
    test = [chat(f"Test question {number}") for number in range(40)]
    leaked = chat("Test question 0", "Another answer.")
    pandas.DataFrame([leaked, *train]).to_parquet(folder / "data" / "train_sft-00000.parquet")
    pandas.DataFrame(test).to_parquet(folder / "data" / "test_sft-00000.parquet")
    (folder / "README.md").write_text(CARD + (COUNTED if request.param else "") + "---\n")
    return str(folder)


def sort(request: DatasetRequest, folder: Path) -> Sorting:
    source = hub_source(request, None)
    with DatasetWriter(folder) as writer:
        sorting = Sorting(request, writer, has_test=source.has_test, percent=source.percent)
        for batch in source.batches:
            sorting.take(batch)
        sorting.finish()
        writer.publish()
    return sorting


def test_the_splits_become_train_validation_and_test(dataset: str, tmp_path: Path) -> None:
    """Test rows come from the test split, and a prompt that leaked into the training split is left out."""
    report = sort(DatasetRequest(source=dataset), tmp_path / "out").report()
    assert (report.train_rows, report.validation_rows, report.test_rows) == (189, 10, 40)
    assert (report.leakage, report.rows_read) == (1, 240)
    assert "Test question" not in report.train_path.read_text()
    assert report.test_path.read_text().count('"prompt":"Test question') == 40


def test_a_percentage_of_each_split_is_taken(dataset: str, tmp_path: Path) -> None:
    """Ten percent are the first rows where the dataset counts its rows, and a sample of them where it does not."""
    report = sort(DatasetRequest(source=dataset, percent=25), tmp_path / "out").report()
    counted = "num_examples" in (Path(dataset) / "README.md").read_text()
    assert report.rows_read == (60 if counted else 240)
    assert 30 <= report.rows <= 85


def test_without_a_test_split_the_test_rows_come_from_the_training_split(dataset: str, tmp_path: Path) -> None:
    """A dataset with one split is divided like a file."""
    report = sort(DatasetRequest(source=dataset, test_split=None), tmp_path / "out").report()
    assert (report.train_rows, report.validation_rows, report.test_rows) == (180, 10, 10)


def test_an_unknown_split_gets_a_suggestion(dataset: str) -> None:
    """I am told which splits there are."""
    with pytest.raises(DatasetError, match="has no split train_stf") as error:
        hub_source(DatasetRequest(source=dataset, train_split="train_stf"), None)
    assert error.value.why == "It has train_sft, test_sft."
    assert error.value.next == "Did you mean train_sft?"


def test_an_unknown_configuration_is_explained(dataset: str) -> None:
    """I am told which configurations there are."""
    with pytest.raises(DatasetError) as error:
        hub_source(DatasetRequest(source=dataset, config_name="french"), None)
    assert "'french' not found" in error.value.why


class EmptyHub(BaseHTTPRequestHandler):
    """A hub on which nobody has the dataset, only one with a similar name."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        search = self.path.startswith("/api/datasets?")
        body = msgspec.json.encode([{"id": "HuggingFaceH4/ultrachat_200k"}] if search else {"error": "not found"})
        self.send_response(200 if search else 404)
        if not search:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def empty_hub() -> Iterator[str]:
    """Return the address of a hub without datasets."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def refusal(folder: Path, **environment: str) -> str:
    """Return the error that preparing a hub dataset ends with; the hub's client reads its environment at its import."""
    program = (
        "from pathlib import Path; from core.datasets import DatasetRequest, prepare\n"
        "from core.errors import DatasetError\n"
        "request = DatasetRequest(source='HuggingFaceH4/ultrachat_20k')\n"
        "try: prepare(request, Path('out'), progress=print, hub_token='hf_x')\n"
        "except DatasetError as error: print(error)"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HF_HOME": str(folder / "home"), "PYTHONPATH": str(Path.cwd()), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_no_network_is_told(tmp_path: Path) -> None:
    """Without a network I am told so, and that a file works too."""
    message = refusal(tmp_path, HF_HUB_OFFLINE="1")
    assert message.startswith("The Hugging Face Hub cannot be reached.")
    assert message.endswith("Check the network and try again, or give the path of a file.")


def test_an_unknown_dataset_gets_a_suggestion(tmp_path: Path, empty_hub: str) -> None:
    """I am shown the dataset that I probably meant."""
    message = refusal(tmp_path, HF_ENDPOINT=empty_hub, HF_HUB_OFFLINE="0")
    assert message.startswith(
        "There is no dataset HuggingFaceH4/ultrachat_20k on the Hugging Face Hub (or it is private)."
    )
    assert message.endswith("Did you mean HuggingFaceH4/ultrachat_200k?")
