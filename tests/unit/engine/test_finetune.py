"""What the component's inputs mean for the Trainer, on a CPU and on a GPU."""

from pathlib import Path

import pytest

from core.local_azure.engine import checkpoints
from core.local_azure.engine.finetune import Precision, choose_precision, steps_per_epoch, training_arguments
from core.local_azure.engine.inputs import Inputs, read

NEEDED = {"task_name": "ChatCompletion", "mlflow_model_path": "/models/m", "train_file_path": "/data/train.jsonl"}


def inputs(**changes: str) -> Inputs:
    """Return a job's inputs."""
    return read({**NEEDED, **changes})


@pytest.mark.parametrize(
    ("changes", "cuda", "bf16", "expected"),
    [
        ({"apply_lora": "true"}, False, False, Precision("bfloat16")),
        ({}, False, False, Precision("float32")),
        ({"apply_lora": "true"}, True, True, Precision("float32")),
        ({"apply_lora": "true", "precision": "16"}, True, True, Precision("bfloat16", bf16=True)),
        ({"apply_lora": "true", "precision": "16"}, True, False, Precision("float16", fp16=True)),
        ({"precision": "16"}, True, True, Precision("float32", bf16=True)),
    ],
)
def test_precision_follows_the_device(changes: dict[str, str], cuda: bool, bf16: bool, expected: Precision) -> None:
    """A frozen base may be in 16 bits; weights that are trained stay in 32."""
    assert choose_precision(inputs(**changes), cuda=cuda, bf16=bf16) == expected


def test_steps_count_accumulated_batches() -> None:
    """9 rows in batches of 2 are 5 batches, and 3 steps when two batches make one."""
    settings = inputs(per_device_train_batch_size="2", gradient_accumulation_steps="2")
    assert steps_per_epoch(9, settings) == 3


@pytest.mark.parametrize(
    ("changes", "evaluate", "strategy", "steps"),
    [
        ({}, True, "epoch", 500),
        ({}, False, "no", 500),
        ({"evaluation_strategy": "disable"}, True, "no", 500),
        ({"evaluation_strategy": "steps", "eval_steps": "7"}, True, "steps", 7),
        ({"evaluation_strategy": "steps", "evaluation_steps_interval": "0.25"}, True, "steps", 10),
    ],
)
def test_evaluation_happens_when_asked(changes: dict[str, str], evaluate: bool, strategy: str, steps: int) -> None:
    """evaluation_steps_interval, a fraction of an epoch, wins over eval_steps; without rows nothing is evaluated."""
    arguments = training_arguments(inputs(**changes), 40, evaluate=evaluate)
    assert (arguments["eval_strategy"], arguments["eval_steps"]) == (strategy, steps)
    assert (arguments["save_strategy"], arguments["load_best_model_at_end"]) == (strategy, strategy != "no")


def test_a_half_written_checkpoint_is_not_gone_on_from(tmp_path: Path) -> None:
    """A run that was killed while it wrote checkpoint 100 goes on from checkpoint 90."""
    for step in (20, 90, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
    checkpoints.mark_complete(tmp_path, 20)
    checkpoints.mark_complete(tmp_path, 90)
    assert checkpoints.last_complete(tmp_path) == tmp_path / "checkpoint-90"
    checkpoints.prune_incomplete(tmp_path)
    assert not (tmp_path / "checkpoint-100").exists()
    assert checkpoints.last_complete(tmp_path / "nowhere") is None
