"""Numbers over time: what the fine-tune stage logs to MLflow, and how many requests an endpoint received."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError

from core.azure import history
from core.azure.errors import calling, is_not_found
from core.azure.types import TrainingMetrics
from core.errors import AzureRefused

if TYPE_CHECKING:
    from core.azure.clients import Clients

# Transformers' trainer logs "loss" and "eval_loss"; its summary at the end and other components use the rest.
LOSS = ("loss", "train_loss", "training_loss")
EVAL_LOSS = ("eval_loss", "validation_loss", "val_loss")
LEARNING_RATE = ("learning_rate", "train_learning_rate", "lr")
TOKENS_PER_SECOND = ("tokens_per_second", "train_tokens_per_second", "num_tokens_per_second")

_PAGE = 1000
# Azure Monitor answers at most this much at one-minute grain.
_LONGEST_MONITORED = timedelta(days=30)


def training_metrics(clients: Clients, job: str) -> TrainingMetrics:
    """Return what the fine-tune stage of `job` has logged so far; empty before it has a run."""
    with calling(f"read the metrics of {job}"):
        stage = next((one for one in history.stages(clients, job) if one.name == history.FINETUNE and one.run), None)
        if stage is None:
            return TrainingMetrics()
        api = f"{clients.tracking_url}/api/2.0/mlflow"
        try:
            run = clients.rest.get(f"{api}/runs/get", run_id=stage.run)["run"]
        except HttpResponseError as error:
            if is_not_found(error):
                return TrainingMetrics()
            raise
        keys = [str(metric["key"]) for metric in run.get("data", {}).get("metrics") or ()]
        losses = _history(clients, api, stage.run, choose(keys, LOSS))
        eval_losses = _history(clients, api, stage.run, choose(keys, EVAL_LOSS))
    return parse_metrics(run, losses, eval_losses)


def parse_metrics(
    run: Mapping[str, Any], losses: Iterable[Mapping[str, Any]], eval_losses: Iterable[Mapping[str, Any]]
) -> TrainingMetrics:
    """Return the metrics of an MLflow run (`runs/get`) and the histories of its two losses (`metrics/get-history`)."""
    data = run.get("data") or {}
    latest = {str(metric["key"]): metric for metric in data.get("metrics") or ()}
    parameters = {str(one["key"]): str(one["value"]) for one in data.get("params") or ()}
    max_steps = parameters.get("max_steps", "")
    started = (run.get("info") or {}).get("start_time")
    logged = [int(metric["timestamp"]) for metric in latest.values() if metric.get("timestamp")]
    return TrainingMetrics(
        step=max((int(metric.get("step") or 0) for metric in latest.values()), default=0),
        # The trainer's own default is -1: as many steps as the epochs need.
        max_steps=int(max_steps) if max_steps.isdigit() and int(max_steps) > 0 else None,
        learning_rate=_latest(latest, LEARNING_RATE),
        losses=_curve(losses),
        eval_losses=_curve(eval_losses),
        tokens_per_second=_latest(latest, TOKENS_PER_SECOND),
        started_at=_moment(int(started)) if started else None,
        logged_at=_moment(max(logged)) if logged else None,
    )


def choose(keys: Iterable[str], names: tuple[str, ...]) -> str | None:
    """Return the first of `keys` that means one of `names`, in the order of `names`; "train/loss" means train_loss."""
    plain = {key.lower().replace("/", "_").replace("-", "_"): key for key in keys}
    return next((plain[name] for name in names if name in plain), None)


def requests_since(clients: Clients, endpoint: str, since: datetime, until: datetime) -> int | None:
    """Return how many requests `endpoint` received in between, from Azure Monitor; None when it does not say."""
    span = f"{_iso(max(since, until - _LONGEST_MONITORED))}/{_iso(until)}"
    url = f"{clients.workspace_id}/onlineEndpoints/{endpoint}/providers/Microsoft.Insights/metrics"
    query = {
        "api-version": "2023-10-01",
        "metricnames": "RequestsPerMinute",
        "aggregation": "Total",
        "interval": "PT1M",
    }
    try:
        with calling(f"count the requests of {endpoint}"):
            return parse_requests(clients.rest.get(url, timespan=span, **query))
    except AzureRefused:
        # Reading metrics is a permission of its own (Monitoring Reader).
        return None


def parse_requests(answer: Mapping[str, Any]) -> int | None:
    """Return the sum of an Azure Monitor answer's totals; None when it has no data at all."""
    points = [
        point
        for metric in answer.get("value") or ()
        for series in metric.get("timeseries") or ()
        for point in series.get("data") or ()
    ]
    if not points:
        return None
    return round(sum(float(point.get("total") or 0) for point in points))


def _history(clients: Clients, api: str, run: str, key: str | None) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    token = ""
    while key is not None:
        query: dict[str, str | int] = {"run_id": run, "metric_key": key, "max_results": _PAGE}
        page = clients.rest.get(f"{api}/metrics/get-history", **query, **({"page_token": token} if token else {}))
        found += page.get("metrics") or []
        token = str(page.get("next_page_token") or "")
        if not token:
            break
    return found


def _curve(history_of_metric: Iterable[Mapping[str, Any]]) -> tuple[tuple[int, float], ...]:
    """Return (step, value) in order; a step logged twice after a restart counts once, with its last value."""
    return tuple(sorted({int(one.get("step") or 0): float(one["value"]) for one in history_of_metric}.items()))


def _latest(metrics: Mapping[str, Mapping[str, Any]], names: tuple[str, ...]) -> float | None:
    key = choose(metrics, names)
    return None if key is None else float(metrics[key]["value"])


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
