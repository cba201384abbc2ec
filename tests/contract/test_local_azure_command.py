"""``finetune-bot azure-ml --run``: any azure-ai-ml program against this machine."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

READ = """
import json, os
with open(".azureml/config.json") as file:
    names = json.load(file)
print(names["workspace_name"], names["subscription_id"] == os.environ["AZURE_SUBSCRIPTION_ID"])
raise SystemExit(7)
"""


def azure_ml(folder: Path, *command: str) -> subprocess.Popen[str]:
    """Start the command line in the folder ``work`` beside the server's own."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    arguments = [sys.executable, "-m", "bot", "azure-ml", "--folder", str(folder / "azure-ml"), *command]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(arguments, cwd=work, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_a_program_finds_the_workspace_by_its_config_file(tmp_path):
    """I run my program: `MLClient.from_config` has its file, my status comes back, nothing is left behind."""
    running = azure_ml(tmp_path, "--run", sys.executable, "-c", READ)
    out, errors = running.communicate(timeout=60)
    assert (running.returncode, out.strip()) == (7, "local True"), errors
    assert list((tmp_path / "work").iterdir()) == []


def test_my_own_config_file_is_left_alone(tmp_path):
    """I have a workspace file of my own in the folder: it is kept, and I am told that it counts."""
    mine = tmp_path / "work" / ".azureml" / "config.json"
    mine.parent.mkdir(parents=True)
    mine.write_text(json.dumps({"workspace_name": "mine"}))
    running = azure_ml(tmp_path, "--run", sys.executable, "-c", "print('ran')")
    out, errors = running.communicate(timeout=60)
    assert out.strip() == "ran"
    assert "is kept" in errors
    assert json.loads(mine.read_text()) == {"workspace_name": "mine"}


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 128 + signal.SIGINT)]
)
def test_signals_reach_the_program(tmp_path, number, status):
    """I stop the command line: my program gets the signal, and the server goes with it."""
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); signal.pause()"
    running = azure_ml(tmp_path, "--run", sys.executable, "-c", program)
    assert running.stdout.readline() == "up\n"
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode == status


def test_a_mistyped_program_is_one_sentence(tmp_path):
    """I mistype my program's name and get a sentence, no traceback."""
    running = azure_ml(tmp_path, "--run", "no-such-program")
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "no-such-program cannot be run" in errors
    assert "Traceback" not in errors


def test_serving_prints_what_to_export(tmp_path):
    """I serve the workspace and copy the lines it prints; Ctrl-C stops it cleanly."""
    running = azure_ml(tmp_path)
    names = [running.stdout.readline().removeprefix("export ").partition("=")[0] for _ in range(18)]
    assert {"REQUESTS_CA_BUNDLE", "ARM_CLOUD_METADATA_URL", "IDENTITY_ENDPOINT", "AZURE_SUBSCRIPTION_ID"} <= set(names)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 0
