"""What runs log through MLflow: metrics with their history, parameters and tags."""

import math

import msgspec

from core.local_azure.server.store import Store

KIND = "run-record"


class Metric(msgspec.Struct, frozen=True):
    """One logged value, kept as text because JSON has no NaN; `timestamp` is in milliseconds since 1970."""

    key: str
    text: str
    timestamp: int
    step: int = 0

    @property
    def value(self) -> float:
        """Return the value."""
        return float(self.text)


class Pair(msgspec.Struct, frozen=True):
    """A parameter or tag."""

    key: str
    value: str


class RunRecord(msgspec.Struct, frozen=True):
    """All that one run has logged; `metrics` holds each metric's history in the order of logging."""

    metrics: dict[str, tuple[Metric, ...]] = {}
    parameters: dict[str, str] = {}
    tags: dict[str, str] = {}


def record(store: Store, run: str) -> RunRecord:
    """Return what `run` has logged so far."""
    return store.get(KIND, run, RunRecord) or RunRecord()


def log(store: Store, run: str, metrics: list[Metric], parameters: list[Pair], tags: list[Pair]) -> None:
    """Add to what `run` has logged; raises ValueError, and logs nothing, if a parameter already has another value."""
    with store.transaction():
        before = record(store, run)
        history = dict(before.metrics)
        for metric in metrics:
            history[metric.key] = (*history.get(metric.key, ()), metric)
        for pair in parameters:
            if before.parameters.get(pair.key, pair.value) != pair.value:
                raise ValueError(
                    f"Changing param values is not allowed. Param with key='{pair.key}' was already logged with "
                    f"value='{before.parameters[pair.key]}' for run ID='{run}'. "
                    f"Attempted logging new value '{pair.value}'."
                )
        after = RunRecord(
            history,
            before.parameters | {pair.key: pair.value for pair in parameters},
            before.tags | {pair.key: pair.value for pair in tags},
        )
        store.put(KIND, run, after)


def latest(history: tuple[Metric, ...]) -> Metric:
    """Return the value of a metric that MLflow calls its last: that of the highest step, then time, then value."""
    return max(
        history,
        key=lambda metric: (metric.step, metric.timestamp, -math.inf if math.isnan(metric.value) else metric.value),
    )
