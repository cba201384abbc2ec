"""Training speed of the engine's fine-tuning stage against a bare torch loop over the same batches.

Run by hand: ``python -m tests.benchmarks.training [ROUNDS]``. Both train LoRA adapters on the same model, SmolLM2-135M,
one after the other in each round; printed are real tokens per second of training steps and the ratio of the medians.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.local_azure.engine import finetune, weights
from core.local_azure.engine.inputs import Inputs, read
from core.local_azure.engine.model_import import link_or_copy
from core.local_azure.engine.progress import on_terminal
from core.local_azure.engine.stopping import Stop
from core.local_azure.engine.tracking import Tracker
from core.local_azure.work import Stage, StageSpec

MODEL = "SmolLM2-135M-Instruct"
STEPS = 12


def main() -> None:
    """Measure both loops in turn and print their speeds and the ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    inputs = read(
        {
            "task_name": "ChatCompletion",
            "mlflow_model_path": f"azureml://registries/azureml/models/{MODEL}/versions/1",
            "train_file_path": "rows are made below",
            "apply_lora": "true",
            "lora_r": "16",
            "lora_alpha": "32",
            "learning_rate": "0.001",
            "per_device_train_batch_size": "4",
            "max_seq_length": "512",
            "max_steps": str(STEPS),
            "evaluation_strategy": "disable",
            "logging_steps": str(STEPS),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        spec = prepare(Path(folder))
        engine, bare = [], []
        for number in range(1, rounds + 1):
            engine.append(engine_speed(spec, inputs))
            bare.append(bare_speed(spec, inputs))
            print(f"round {number}: engine {engine[-1]:.0f} tokens/s, bare loop {bare[-1]:.0f} tokens/s", flush=True)
    ratio = statistics.median(engine) / statistics.median(bare)
    print(f"engine / bare loop: {ratio:.2f} (medians of {rounds} rounds)")


def prepare(folder: Path) -> StageSpec:
    """Return a specification whose job has an imported model."""
    folders = {stage: folder / stage for stage in Stage}
    for path in folders.values():
        (path / "output").mkdir(parents=True)
    with on_terminal() as report:
        found = weights.fetch(MODEL, report)
    imported = folders[Stage.MODEL_IMPORT] / "output"
    (imported / "model").mkdir()
    for file in found.folder.iterdir():
        link_or_copy(str(file), str(imported / "model" / file.name))
    (imported / "origin.json").write_bytes((found.folder / "origin.json").read_bytes())
    return StageSpec(
        stage=Stage.FINETUNE,
        job="benchmark",
        run="benchmark",
        folder=folders[Stage.FINETUNE],
        folders=folders,
        inputs={},
        tracking_uri="http://127.0.0.1:9",  # nobody listens: what sending costs at least is counted
        token="none",
        ca_file=folder / "none",
    )


def rows() -> list[dict[str, Any]]:
    """Return short conversations of different lengths, as a support team's are."""
    answer = "Refunds are paid within 14 days of the day on which the parcel reaches us."
    return [
        {
            "messages": [
                {"role": "user", "content": f"Question {number}: when is order {number * 37} refunded?"},
                {"role": "assistant", "content": " ".join([answer] * (1 + number % 3))},
            ]
        }
        for number in range(4 * STEPS)
    ]


def engine_speed(spec: StageSpec, inputs: Inputs) -> float:
    """Return the tokens per second that the engine's trainer itself reports for its training steps."""
    with Tracker(spec) as tracker, Stop() as stop:
        trainer = finetune.build(spec, inputs, rows(), [], tracker, stop)
        trainer.train()
        speeds = [metric.value for metric in tracker.metrics if metric.key == "tokens_per_second"]
    return speeds[-1]


def bare_speed(spec: StageSpec, inputs: Inputs) -> float:
    """Return the tokens per second of the least loop that trains the same adapters with the same batches."""
    import torch

    with Tracker(spec) as tracker, Stop() as stop:
        trainer = finetune.build(spec, inputs, rows(), [], tracker, stop)
    model = trainer.model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=inputs.learning_rate, weight_decay=0.0)
    batches: Iterator[dict[str, Any]] = iter(trainer.get_train_dataloader())
    tokens, seconds = 0, 0.0
    for _ in range(STEPS):
        batch = next(batches)
        began = time.perf_counter()
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, inputs.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        seconds += time.perf_counter() - began
        tokens += int(batch["attention_mask"].sum())
    return tokens / seconds


if __name__ == "__main__":
    main()
