"""The engine as the local Azure server uses it: commands, files, metrics and requests, with a tiny real model."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import msgspec
import pytest

from core.local_azure.work import ServeSpec, Stage, StageSpec
from tests.tiny_model import make_tiny_model

ENGINE = [sys.executable, "-m", "core.local_azure.engine"]
MODEL = "azureml://registries/azureml/models/tiny-chat/versions/1"
QUESTIONS = [
    {
        "messages": [
            {"role": "user", "content": f"When does line {n} open?"},
            {"role": "assistant", "content": "At nine."},
        ]
    }
    for n in range(24)
]


@dataclass
class Tracking:
    """A tracking server that keeps what it receives; `answers` is what it replies with."""

    address: str
    batches: list[dict] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def values(self, key: str) -> list[tuple[int, float]]:
        """Return the (step, value) pairs of one metric in the order of arrival."""
        metrics = [metric for batch in self.batches for metric in batch["metrics"]]
        return [(metric["step"], metric["value"]) for metric in metrics if metric["key"] == key]


@pytest.fixture(scope="module")
def tracking() -> Iterator[Tracking]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path.endswith("/api/2.0/mlflow/runs/log-batch"):
                kept.batches.append(json.loads(body))
                kept.tokens.add(self.headers["authorization"])
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept = Tracking(f"http://127.0.0.1:{server.server_port}/workspace")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kept
    server.shutdown()
    server.server_close()


@dataclass
class Job:
    """One pipeline job: its folder, its inputs, and the environment the engine runs in."""

    name: str
    folder: Path
    inputs: dict[str, str]
    environment: dict[str, str]
    tracking_uri: str

    def spec(self, stage: Stage) -> Path:
        """Write the stage's specification and return its file."""
        folders = {each: self.folder / each for each in Stage}
        folders[stage].mkdir(parents=True, exist_ok=True)
        spec = StageSpec(
            stage=stage,
            job=self.name,
            run=f"{self.name}-{stage}",
            folder=folders[stage],
            folders=folders,
            inputs=self.inputs,
            tracking_uri=self.tracking_uri,
            token="a-token",
            ca_file=self.folder / "ca.pem",
        )
        file = folders[stage] / "spec.json"
        file.write_bytes(msgspec.json.encode(spec, enc_hook=str))
        return file

    def run(self, stage: Stage) -> subprocess.CompletedProcess[str]:
        """Run a stage to its end and return its exit status and log."""
        command = [*ENGINE, "stage", str(self.spec(stage))]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def start(self, stage: Stage) -> subprocess.Popen[str]:
        """Start a stage; its log is read from standard output."""
        command = [*ENGINE, "stage", str(self.spec(stage))]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def output(self, stage: Stage) -> Path:
        """Return what a stage wrote."""
        return self.folder / stage / "output"

    def error(self, stage: Stage) -> dict[str, str]:
        """Return the stage's error.json."""
        return json.loads((self.folder / stage / "error.json").read_text())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with the tiny model's weights and a small dataset."""
    folder = tmp_path_factory.mktemp("machine")
    make_tiny_model(folder / "weights" / "tiny-chat")
    for name, rows in (("train", QUESTIONS[:16]), ("validation", QUESTIONS[16:20]), ("test", QUESTIONS[20:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def new_job(home: Path, tracking: Tracking) -> Callable[..., Job]:
    """Make a job with the tiny model and dataset; keyword arguments change single inputs."""

    def make(name: str, **changes: str) -> Job:
        inputs = {
            "task_name": "ChatCompletion",
            "mlflow_model_path": MODEL,
            "train_file_path": str(home / "train.jsonl"),
            "validation_file_path": str(home / "validation.jsonl"),
            "test_file_path": str(home / "test.jsonl"),
            "apply_lora": "true",
            "learning_rate": "0.01",
            "num_train_epochs": "6",
            "per_device_train_batch_size": "2",
            "per_device_eval_batch_size": "4",
            "logging_steps": "8",
        }
        environment = {
            **os.environ,
            "FINETUNE_BOT_WEIGHTS": str(home / "weights"),
            "FINETUNE_BOT_CACHE": str(home / "cache"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",  # two threads wait for each other in a model this small
        }
        return Job(name, home / name, {**inputs, **changes}, environment, tracking.address)

    return make


@pytest.fixture(scope="module")
def finished(new_job: Callable[..., Job]) -> Job:
    """A job whose five stages have all run."""
    job = new_job("finished")
    for stage in Stage:
        began = time.monotonic()
        result = job.run(stage)
        print(f"{stage}: {time.monotonic() - began:.1f} s\n{result.stdout}")
        assert result.returncode == 0, result.stdout + result.stderr
    return job


def test_fine_tuning_lowers_the_loss_and_reports_it(finished: Job, tracking: Tracking) -> None:
    """A person sees the loss before, during and after training as metrics of the fine-tuning run."""
    evaluations = tracking.values("eval_loss")
    assert [step for step, _ in evaluations] == [0, 8, 16, 24, 32, 40, 48]
    assert evaluations[-1][1] < evaluations[0][1] - 0.5
    assert [step for step, _ in tracking.values("loss")] == [8, 16, 24, 32, 40, 48]
    assert all(speed > 0 for _, speed in tracking.values("tokens_per_second"))
    assert {"key": "max_steps", "value": "48"} in [param for batch in tracking.batches for param in batch["params"]]
    assert tracking.tokens == {"Bearer a-token"}
    assert {batch["run_id"] for batch in tracking.batches} == {f"finished-{Stage.FINETUNE}"}


@dataclass
class Deployment:
    """A served model."""

    address: str
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def deployment(finished: Job) -> Iterator[Deployment]:
    """The finished job's model, deployed."""
    yield from serve(finished, str(finished.output(Stage.MODEL_CONVERTER)), "deployment")


def serve(job: Job, model: str, name: str) -> Iterator[Deployment]:
    """Serve a model until the test is over, and check that it then ends by itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = job.folder / f"{name}.json"
    file.write_bytes(msgspec.json.encode(ServeSpec(model=model, port=port, folder=job.folder / name), enc_hook=str))
    process = subprocess.Popen([*ENGINE, "serve", str(file)], env=job.environment, text=True)
    address = f"http://127.0.0.1:{port}"
    try:
        transport = httpx.HTTPTransport(retries=8)  # waits 0.5, 1, 2, ... seconds between tries to connect
        with httpx.Client(transport=transport, timeout=60) as client:
            assert client.get(address).status_code == 200
        yield Deployment(address, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def test_the_tuned_model_answers_what_it_learned(deployment: Deployment) -> None:
    """A model that was tuned on one answer gives that answer, in the shape of Azure's model cards."""
    body = {
        "input_data": {
            "input_string": [{"role": "user", "content": "When does line 3 open?"}],
            "parameters": {"do_sample": False, "max_new_tokens": 20},
        }
    }
    answer = httpx.post(f"{deployment.address}/score", json=body, timeout=60)
    assert answer.status_code == 200
    assert answer.json() == {"output": "At nine."}
