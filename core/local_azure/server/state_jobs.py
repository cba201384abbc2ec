"""Pipeline jobs and their child runs: what is stored, and how each may change."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from core.local_azure.server.store import Store
from core.local_azure.server.workspace import ARTIFACTS
from core.local_azure.work import Stage, StageError

KIND = "job"


class JobStatus(StrEnum):
    """Those of Azure ML's statuses that a pipeline goes through (JobStatus of api-version 2024-01-01-preview)."""

    NOT_STARTED = "NotStarted"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED})
_ENDS = frozenset({JobStatus.CANCEL_REQUESTED, JobStatus.FAILED, JobStatus.CANCELED})

TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.NOT_STARTED: _ENDS | {JobStatus.PREPARING, JobStatus.QUEUED, JobStatus.RUNNING},
    JobStatus.PREPARING: _ENDS | {JobStatus.QUEUED, JobStatus.RUNNING},
    JobStatus.QUEUED: _ENDS | {JobStatus.RUNNING},
    JobStatus.RUNNING: _ENDS | {JobStatus.FINALIZING, JobStatus.COMPLETED},
    JobStatus.FINALIZING: _ENDS | {JobStatus.COMPLETED},
    JobStatus.CANCEL_REQUESTED: frozenset({JobStatus.CANCELED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
}


class ProcessMark(msgspec.Struct, frozen=True):
    """A started process: its id, and when it began (seconds since 1970), because ids are used again."""

    pid: int
    created: float


class StageRun(msgspec.Struct, frozen=True, kw_only=True):
    """The child run of one stage; `name` is its run id, `attempt` counts the starts of its process."""

    name: str
    stage: Stage
    status: JobStatus
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: StageError | None = None
    process: ProcessMark | None = None
    attempt: int = 0


class JobOutput(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One named output of the pipeline, as submitted."""

    job_output_type: str = "uri_folder"
    mode: str | None = None
    description: str | None = None
    uri: str | None = None
    asset_name: str | None = None
    asset_version: str | None = None


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was submitted; `inputs`, `jobs` and `settings` stay the JSON documents they were, to be answered again."""

    job_type: str
    display_name: str | None = None
    description: str | None = None
    experiment_name: str = "Default"
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    compute_id: str | None = None
    is_archived: bool = False
    settings: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    jobs: dict[str, Any] = {}
    outputs: dict[str, JobOutput] = {}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline job.

    `number` orders the queue. `inputs` are the component's inputs with local paths, as `StageSpec` wants them;
    `outputs` tells for each output of the job which output of the component it is.
    """

    name: str
    number: int
    request: JobRequest
    compute: str
    node: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    status: JobStatus
    created_at: datetime
    modified_at: datetime
    runs: tuple[StageRun, ...]
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: StageError | None = None
    revision: int = 1

    def run(self, stage: Stage) -> StageRun:
        """Return the child run of `stage`."""
        return next(run for run in self.runs if run.stage is stage)


OUTPUT_STAGE = {"pytorch_model_folder": Stage.FINETUNE, "mlflow_model_folder": Stage.MODEL_CONVERTER}
"""Which stage writes each output of the component."""


def move(job: Job, status: JobStatus, at: datetime, error: StageError | None = None) -> Job:
    """Return `job` in `status`; raises ValueError for a transition that Azure ML does not know."""
    _check(job.name, job.status, status)
    return msgspec.structs.replace(
        job,
        status=status,
        modified_at=at,
        revision=job.revision + 1,
        started_at=at if status is JobStatus.RUNNING else job.started_at,
        ended_at=at if status in TERMINAL else None,
        error=error or job.error,
    )


def move_run(job: Job, stage: Stage, status: JobStatus, at: datetime, error: StageError | None = None) -> Job:
    """Return `job` with the child run of `stage` in `status`; raises ValueError as `move` does."""
    run = job.run(stage)
    _check(run.name, run.status, status)
    started = at if status is JobStatus.RUNNING else run.started_at
    ended = at if status in TERMINAL else None
    process = run.process if status not in TERMINAL else None
    moved = msgspec.structs.replace(
        run, status=status, started_at=started, ended_at=ended, error=error, process=process
    )
    return _with_run(job, moved, at)


def process_started(job: Job, stage: Stage, process: ProcessMark, at: datetime) -> Job:
    """Return `job` with the process that now works on `stage`."""
    run = job.run(stage)
    return _with_run(job, msgspec.structs.replace(run, process=process, attempt=run.attempt + 1), at)


def end_canceled(job: Job, at: datetime) -> Job:
    """Return `job` canceled, with every child run that had not ended."""
    for run in job.runs:
        if run.status not in TERMINAL:
            job = move_run(job, run.stage, JobStatus.CANCELED, at)
    return move(job, JobStatus.CANCELED, at)


def change(store: Store, name: str, step: Callable[[Job], Job]) -> Job:
    """Apply `step` to the stored job `name` in one transaction and return what it became.

    Raises KeyError without such a job.
    """
    with store.transaction():
        job = store.get(KIND, name, Job)
        if job is None:
            raise KeyError(name)
        job = step(job)
        store.put(KIND, name, job)
    return job


def find_run(store: Store, name: str) -> tuple[Job, StageRun | None] | None:
    """Return the job whose own run is `name` (with None), or the job and child run called `name`."""
    if job := store.get(KIND, name, Job):
        return job, None
    for job in store.list(KIND, Job):
        for run in job.runs:
            if run.name == name:
                return job, run
    return None


def run_folder(blobs: Path, container: str, run: str) -> Path:
    """Return the folder of a child run, in the default datastore's container, from where outputs are downloaded."""
    return blobs / container / "azureml" / run


def log_file(blobs: Path, run: str) -> Path:
    """Return the log of a child run, under the blobs of `workspaceartifactstore`, where Azure ML keeps it."""
    return artifacts(blobs, run) / "user_logs" / "std_log.txt"


def artifacts(blobs: Path, run: str) -> Path:
    """Return the folder of a run's artifacts in the container of `workspaceartifactstore`."""
    return blobs / ARTIFACTS / "ExperimentRun" / f"dcid.{run}"


def output_path(job: Job, output: str) -> str:
    """Return where `workspaceblobstore` holds the output of a job.

    Raises KeyError for an output that the job does not have.
    """
    return f"azureml/{job.run(OUTPUT_STAGE[job.outputs[output]]).name}/output"


def output_folder(store: Store, blobs: Path, container: str, job: str, output: str) -> Path | None:
    """Return the local folder of a job's output, or None while there is no such job, output or finished stage."""
    found = store.get(KIND, job, Job)
    if found is None or output not in found.outputs:
        return None
    if found.run(OUTPUT_STAGE[found.outputs[output]]).status is not JobStatus.COMPLETED:
        return None
    return blobs / container / output_path(found, output)


def _with_run(job: Job, run: StageRun, at: datetime) -> Job:
    runs = tuple(run if other.stage is run.stage else other for other in job.runs)
    return msgspec.structs.replace(job, runs=runs, modified_at=at, revision=job.revision + 1)


def _check(name: str, status: JobStatus, target: JobStatus) -> None:
    if target not in TRANSITIONS[status]:
        raise ValueError(f"run {name} cannot go from {status} to {target}")
