"""The engine as the local Azure server uses it: commands, files, metrics and requests, with a tiny real model."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import msgspec
import pytest
import yaml

from core.local_azure.engine.checkpoints import last_complete
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
    """A tracking server that keeps what it receives."""

    address: str
    batches: list[dict] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def values(self, job: str, key: str) -> list[tuple[int, float]]:
        """Return the (step, value) pairs of one metric of a job in the order of arrival."""
        batches = [batch for batch in self.batches if batch["run_id"] == f"{job}-{Stage.FINETUNE}"]
        metrics = [metric for batch in batches for metric in batch["metrics"]]
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
            "lora_r": "16",
            "lora_alpha": "32",
            "learning_rate": "0.01",
            "num_train_epochs": "3",
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
        result = job.run(stage)
        assert result.returncode == 0, result.stdout + result.stderr
    return job


def test_fine_tuning_lowers_the_loss_and_reports_it(finished: Job, tracking: Tracking) -> None:
    """A person sees the loss before, during and after training as metrics of the fine-tuning run."""
    evaluations = tracking.values("finished", "eval_loss")
    assert [step for step, _ in evaluations] == [0, 8, 16, 24]
    assert evaluations[-1][1] < evaluations[0][1] - 0.5
    assert [step for step, _ in tracking.values("finished", "loss")] == [8, 16, 24]
    assert all(speed > 0 for _, speed in tracking.values("finished", "tokens_per_second"))
    assert {"key": "max_steps", "value": "24"} in [param for batch in tracking.batches for param in batch["params"]]
    assert tracking.tokens == {"Bearer a-token"}


def test_the_output_is_an_mlflow_model(finished: Job) -> None:
    """The registered model says what it is, where it comes from and under which licence, and holds all its files."""
    output = finished.output(Stage.MODEL_CONVERTER)
    described = yaml.safe_load((output / "MLmodel").read_text())
    assert described["flavors"]["hftransformersv2"]["hf_pretrained_class"] == "LlamaForCausalLM"
    assert described["metadata"]["base_model_name"] == "tiny-chat"
    card = (output / "README.md").read_text()
    assert "tiny-chat, fine-tuned by job finished" in card
    assert "Loss on the validation rows" in card
    for name in ("model/config.json", "model/model.safetensors", "model/tokenizer.json", "model.gguf", "adapter"):
        assert (output / name).exists(), name


def test_a_finished_stage_is_not_run_again(finished: Job) -> None:
    """A server that was restarted and runs a stage once more finds it done."""
    before = (finished.output(Stage.FINETUNE) / "summary.json").stat().st_mtime_ns
    result = finished.run(Stage.FINETUNE)
    assert result.returncode == 0
    assert "was already done" in result.stdout
    assert (finished.output(Stage.FINETUNE) / "summary.json").stat().st_mtime_ns == before


def test_training_goes_on_where_it_was_stopped_or_killed(finished: Job, new_job: Callable[..., Job]) -> None:
    """A job that is told to stop, goes on, is killed and goes on again becomes a finished model."""
    job = new_job("interrupted", num_train_epochs="15", logging_steps="4", evaluation_strategy="steps", eval_steps="40")
    for stage in (Stage.MODEL_IMPORT, Stage.DATA_PREPROCESS):
        shutil.copytree(finished.folder / stage, job.folder / stage)
    process = job.start(Stage.FINETUNE)
    wait_for(process, "step 16/120")
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert process.returncode == 143, log
    assert last_complete(job.folder / Stage.FINETUNE / "checkpoints") is not None
    assert not job.output(Stage.FINETUNE).exists()

    process = job.start(Stage.FINETUNE)
    wait_for(process, "going on from checkpoint-")
    wait_for(process, "step 72/120")
    process.kill()
    process.communicate()

    result = job.run(Stage.FINETUNE)
    assert result.returncode == 0, result.stdout
    resumed_at = int(re.findall(r"going on from checkpoint-(\d+)", result.stdout)[0])
    assert 60 <= resumed_at <= 80
    summary = json.loads((job.output(Stage.FINETUNE) / "summary.json").read_text())
    assert summary["steps"] == 120
    assert summary["loss_after"] < 0.1 < summary["loss_before"]


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Read the process's log until a line has `text`; fails when the log ends before."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    pytest.fail(f"{text!r} is not in the log:\n{''.join(lines)}")


@pytest.mark.parametrize(
    ("stage", "changes", "code", "message"),
    [
        (Stage.VALIDATION, {"learning_rate": "-1"}, "UserError", "learning_rate accepts a number more than 0"),
        (
            Stage.VALIDATION,
            {"train_file_path": "/nowhere/rows.jsonl"},
            "UserError",
            "train_file_path: there is no file",
        ),
        (
            Stage.VALIDATION,
            {"mlflow_model_path": "/nowhere"},
            "UserError",
            "mlflow_model_path: /nowhere holds no model",
        ),
        (
            Stage.MODEL_IMPORT,
            {"mlflow_model_path": "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/15"},
            "UserError",
            "The weights of Phi-3-mini-4k-instruct are not on this machine.",
        ),
    ],
)
def test_a_stage_that_fails_says_why(
    new_job: Callable[..., Job], stage: Stage, changes: dict[str, str], code: str, message: str
) -> None:
    """A person reads what to correct instead of a stack trace."""
    job = new_job(f"wrong-{stage}-{next(iter(changes))}", **changes)
    result = job.run(stage)
    assert result.returncode == 1
    assert job.error(stage)["code"] == code
    assert message in job.error(stage)["message"]
    assert "Traceback" not in result.stdout
    assert not job.output(stage).exists()


def test_a_machine_without_the_training_libraries_says_what_to_install(
    finished: Job, new_job: Callable[..., Job], tmp_path: Path
) -> None:
    """Whoever installed finetune-bot without its local extra reads which command adds it."""
    job = new_job("bare")
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    job.environment = {**job.environment, "PYTHONPATH": str(tmp_path)}
    result = job.run(Stage.FINETUNE)
    assert result.returncode == 1
    assert job.error(Stage.FINETUNE)["code"] == "SystemError"
    assert "pip install 'finetune-bot[local]'" in job.error(Stage.FINETUNE)["message"]


@dataclass
class Deployment:
    """A served model."""

    address: str
    client: httpx.Client

    def ask(self, **body: object) -> httpx.Response:
        """Send a scoring request."""
        return self.client.post(f"{self.address}/score", json=body)


@pytest.fixture(scope="module")
def deployment(finished: Job) -> Iterator[Deployment]:
    """The finished job's model, deployed."""
    with served(finished, str(finished.output(Stage.MODEL_CONVERTER)), "deployment") as deployed:
        yield deployed


@contextmanager
def served(job: Job, model: str, name: str) -> Iterator[Deployment]:
    """Serve a model within the block, and check that it ends soon after being told to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = job.folder / f"{name}.json"
    file.write_bytes(msgspec.json.encode(ServeSpec(model=model, port=port, folder=job.folder / name), enc_hook=str))
    process = subprocess.Popen([*ENGINE, "serve", str(file)], env=job.environment, text=True)
    address = f"http://127.0.0.1:{port}"
    try:
        # The transport waits 0.5, 1, 2, ... seconds between tries to connect.
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as client:
            assert client.get(address).json() == {"status": "ready"}
            yield Deployment(address, client)
    finally:
        process.terminate()
        process.wait(20)


QUESTION = [{"role": "user", "content": "When does line 3 open?"}]
GREEDY = {"do_sample": False, "max_new_tokens": 20}


def test_the_tuned_model_answers_what_it_learned(deployment: Deployment) -> None:
    """A model that was tuned on one answer gives that answer, in the shape of Azure's model cards."""
    answer = deployment.ask(input_data={"input_string": QUESTION, "parameters": GREEDY})
    assert answer.json() == {"output": "At nine."}


def test_the_notebooks_request_is_answered_with_a_list(deployment: Deployment) -> None:
    """The request of Azure's fine-tuning notebook gets one text for each conversation."""
    answer = deployment.ask(input_data={"input_string": [QUESTION, QUESTION], "parameters": GREEDY}, params={})
    assert answer.json() == ["At nine.", "At nine."]


def test_chat_completions_stream(deployment: Deployment) -> None:
    """OpenAI's clients get the answer token by token."""
    body = {"messages": QUESTION, "temperature": 0, "max_tokens": 20, "stream": True}
    with deployment.client.stream("POST", f"{deployment.address}/v1/chat/completions", json=body) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    deltas = [choice["delta"].get("content") or "" for event in events for choice in json.loads(event)["choices"]]
    assert "".join(deltas) == "At nine."
    assert sum(delta != "" for delta in deltas) > 1


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("/score", b'{"messages": []}', "A value is not provided for the 'input_data' parameter."),
        ("/score", b"{", "The body is not JSON"),
        ("/v1/chat/completions", b"{", "parse"),
        ("/v1/chat/completions", b"{}", "messages"),
    ],
)
def test_a_wrong_request_is_refused_in_json(deployment: Deployment, path: str, content: bytes, message: str) -> None:
    """A caller reads what is wrong, with status 400."""
    answer = deployment.client.post(deployment.address + path, content=content)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_a_conversation_that_is_too_long_is_refused(deployment: Deployment) -> None:
    """A caller reads that the model's context is exceeded instead of waiting for nothing."""
    long = [{"role": "user", "content": "nine " * 2000}]
    answer = deployment.ask(input_data={"input_string": long})
    assert answer.status_code == 400
    assert "context" in answer.json()["error"]["message"]


def test_a_conversation_that_ends_with_an_answer_gets_another_one(deployment: Deployment) -> None:
    """The notebook sends the reference answer along; the model answers anew instead of continuing that text."""
    conversation = [*QUESTION, {"role": "assistant", "content": "At ni"}]
    answer = deployment.ask(input_data={"input_string": conversation, "parameters": GREEDY})
    assert answer.status_code == 200
    assert not answer.json()["output"].startswith("ne.")


def test_a_base_model_is_deployed_from_its_asset_id(finished: Job) -> None:
    """A registry model that nobody tuned is converted once, kept, and served."""
    with served(finished, MODEL, "base") as deployed:
        answer = deployed.ask(input_data={"input_string": QUESTION, "parameters": GREEDY})
        assert answer.status_code == 200
    kept = list((finished.folder.parent / "cache" / "served").glob("tiny-chat-*/model.gguf"))
    assert len(kept) == 1


def test_a_folder_without_a_model_is_not_served(finished: Job, tmp_path: Path) -> None:
    """A deployment of something that is no model fails and says why."""
    file = tmp_path / "serve.json"
    file.write_bytes(msgspec.json.encode(ServeSpec(model=str(tmp_path), port=1, folder=tmp_path), enc_hook=str))
    result = subprocess.run([*ENGINE, "serve", str(file)], env=finished.environment, capture_output=True, check=False)
    assert result.returncode == 1
    error = json.loads((tmp_path / "error.json").read_text())
    assert error["code"] == "UserError"
    assert "holds no model that this machine can serve" in error["message"]
