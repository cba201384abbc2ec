"""Microsoft's walkthrough on this machine: real training and serving of a tiny model."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.tiny_model import make_tiny_model

WALKTHROUGH = Path(__file__).parent / "walkthrough.py"


def write_dataset(folder: Path) -> None:
    """Write conversations about opening hours in the walkthrough's schema."""
    folder.mkdir()
    rows = [
        {
            "prompt": f"When does shop {number} open?",
            "prompt_id": f"{number:064x}",
            "messages": [
                {"role": "user", "content": f"When does shop {number} open?"},
                {"role": "assistant", "content": f"Shop {number} opens at {6 + number % 5}."},
            ],
        }
        for number in range(20)
    ]
    for name in ("train_sft", "test_sft", "test_gen"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_walkthrough_runs_unmodified(tmp_path: Path) -> None:
    """I run the walkthrough's own code with one command and get an answer from the model that it tuned."""
    work = tmp_path / "work"
    work.mkdir()
    write_dataset(work / "opening_hours_dataset")
    make_tiny_model(tmp_path / "weights" / "SmolLM2-135M-Instruct")
    folder = str(tmp_path / "azure-ml")
    done = subprocess.run(
        [sys.executable, "-m", "bot", "azure-ml", "--folder", folder, "--run", sys.executable, str(WALKTHROUGH)],
        cwd=work,
        env={**os.environ, "FINETUNE_BOT_WEIGHTS": str(tmp_path / "weights")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = done.stdout
    assert "Using model name: SmolLM2-135M-Instruct, version: 1" in said
    assert "registered model:" in said
    answer = said.split("raw response: \n", 1)[1].splitlines()[0]
    assert [type(text) for text in json.loads(answer)] == [str]
    assert "endpoints left:  []" in said
    assert not (work / ".azureml").exists()
