"""How long a fine-tune takes and what it costs, from what earlier jobs on the same size really took; pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from core.azure.types import Price
from core.operations.parameters import Resolved
from core.records.tables import Job


@dataclass(frozen=True)
class Estimate:
    """`seconds` of the whole job and its `price` in the size's currency, None when unknown; `basis` says from what."""

    seconds: float | None
    price: float | None
    basis: str


def batch_size(parameters: Resolved, gpus: int, nodes: int) -> int:
    """Return the rows per optimizer step; a node without GPUs is one process."""
    per_device = parameters.whole("per_device_train_batch_size", 1)
    return per_device * parameters.whole("gradient_accumulation_steps", 1) * max(gpus, 1) * nodes


def training_steps(parameters: Resolved, rows: int, gpus: int, nodes: int) -> int:
    """Return the optimizer steps of a run over `rows` rows, as transformers' Trainer counts them."""
    steps = parameters.whole("max_steps", -1)
    if steps > 0:
        return steps
    per_epoch = max(1, math.ceil(rows / batch_size(parameters, gpus, nodes)))
    return per_epoch * parameters.whole("num_train_epochs", 1)


def estimate(jobs: Iterable[Job], model: str, size: str, *, steps: int, nodes: int, price: Price | None) -> Estimate:
    """Return the estimate from finished `jobs` of the same model and size; unknown when there is none."""
    pace = [seconds for job in jobs if (seconds := _seconds_per_step(job, model, size)) is not None]
    if not pace:
        return Estimate(None, None, f"unknown: no earlier job tuned {model} on {size}")
    seconds = median(pace) * steps
    cost = None if price is None else price.amount * nodes * seconds / 3600
    return Estimate(seconds, cost, f"estimated from {len(pace)} earlier job{'s' if len(pace) > 1 else ''} on {size}")


def _seconds_per_step(job: Job, model: str, size: str) -> float | None:
    spec: Mapping[str, object] = job.spec
    same = spec.get("model_name") == model and spec.get("size") == size
    if not same or not job.step or job.started_at is None or job.finished_at is None:
        return None
    return (job.finished_at - job.started_at).total_seconds() / job.step
