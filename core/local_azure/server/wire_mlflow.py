"""Runs, metrics and experiments as MLflow's REST API 2.0 writes them (https://mlflow.org/docs/latest/rest-api.html)."""

import math
import uuid
from typing import Any

from core.local_azure.server.state_jobs import Job, JobStatus, StageRun
from core.local_azure.server.state_metrics import Metric, RunRecord, latest
from core.local_azure.server.workspace import Workspace

_STATUS = {
    JobStatus.RUNNING: "RUNNING",
    JobStatus.FINALIZING: "RUNNING",
    JobStatus.CANCEL_REQUESTED: "RUNNING",
    JobStatus.COMPLETED: "FINISHED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELED: "KILLED",
}


def experiment_id(name: str) -> str:
    """Return the id of the experiment called `name`."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"experiment/{name}"))


def experiment_json(name: str) -> dict[str, Any]:
    """Return an experiment."""
    return {
        "experiment_id": experiment_id(name),
        "name": name,
        "artifact_location": "",
        "lifecycle_stage": "active",
        "tags": [],
    }


def run_json(job: Job, run: StageRun | None, record: RunRecord, workspace: Workspace) -> dict[str, Any]:
    """Return a run with the last value of each of its metrics."""
    of = run or job
    tags = {"mlflow.rootRunId": job.name, "mlflow.runName": run.stage if run else job.request.display_name or job.name}
    if run:
        tags["mlflow.parentRunId"] = job.name
    info: dict[str, Any] = {
        "run_id": of.name,
        "run_uuid": of.name,
        "run_name": tags["mlflow.runName"],
        "experiment_id": experiment_id(job.request.experiment_name),
        "user_id": workspace.tenant,
        "status": _STATUS.get(of.status, "SCHEDULED"),
        "start_time": int((of.started_at or of.created_at).timestamp() * 1000),
        "artifact_uri": f"{workspace.tracking_uri}/experiments/{job.request.experiment_name}/runs/{of.name}/artifacts",
        "lifecycle_stage": "active",
    }
    if of.ended_at:
        info["end_time"] = int(of.ended_at.timestamp() * 1000)
    data = {
        "metrics": [metric_json(latest(history)) for history in record.metrics.values()],
        "params": [{"key": key, "value": value} for key, value in record.parameters.items()],
        "tags": [{"key": key, "value": value} for key, value in {**record.tags, **tags}.items()],
    }
    return {"info": info, "data": data, "inputs": {}}


def metric_json(metric: Metric) -> dict[str, Any]:
    """Return one value of a metric; JSON has no NaN, so that protobuf's JSON writes its name."""
    value: float | str = metric.value
    if not math.isfinite(metric.value):
        value = "NaN" if math.isnan(metric.value) else "Infinity" if metric.value > 0 else "-Infinity"
    return {"key": metric.key, "value": value, "timestamp": metric.timestamp, "step": metric.step}
