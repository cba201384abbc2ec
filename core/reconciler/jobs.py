"""Jobs: submitted, observed until they end, then their model is registered; cancelled when that is wanted."""

import logging
from datetime import datetime
from typing import Any

from core.azure.types import TERMINAL_JOB_STATES, JobRequest, JobSnapshot, StageSnapshot, TrainingMetrics
from core.errors import AzureRefused, UserError
from core.events import EventKind
from core.operations.register_model import job_spec, registration
from core.reconciler.steps import Outcome, Step, Told, failure_of, iso
from core.records.tables import Job
from core.services import Services

log = logging.getLogger(__name__)

_MOST_LOSSES = 100
# Before these there is nothing to measure.
_TRAINING = frozenset({"Running", "Finalizing", "Completed", "CancelRequested"})
_MISSING = "JobNotFound"


def next_step(job: Job, now: datetime) -> Step | None:
    """Return what is to be done about a job; None: nothing any more."""
    if job.state in TERMINAL_JOB_STATES:
        unregistered = job.state == "Completed" and not job.model_id and job.failure is None
        return Step.REGISTER if unregistered and job.wanted == "registered" else None
    if job.wanted == "cancelled":
        return Step.OBSERVE if job.state == "CancelRequested" else Step.CANCEL
    return Step.OBSERVE if job.state else Step.SUBMIT


def carry_out(services: Services, job: Job, step: Step) -> Outcome:
    """Do `step` on Azure and return its outcome; may be repeated."""
    now = services.clock()
    if step is Step.CANCEL:
        return _cancel(services, job, now)
    if step is Step.REGISTER:
        return _register(services, job)
    snapshot = services.azure.submit(job_request(job)) if step is Step.SUBMIT else services.azure.job(job.id)
    return observed(job, snapshot, _metrics(services, snapshot), now)


def given_up(job: Job, step: Step, error: UserError) -> Outcome:
    """Return the outcome of a step that Azure refused for good."""
    failure = failure_of(error)
    told = {"step": str(step), **failure}
    if step is Step.SUBMIT:
        return Outcome({"state": "Failed", "failure": failure}, (Told(EventKind.JOB_FAILED, failure),))
    if step is Step.CANCEL:
        # The job goes on: what was refused is the cancelling.
        return Outcome({"wanted": "registered", "step_error": str(error)}, (Told(EventKind.STEP_REFUSED, told),))
    return Outcome({"failure": failure}, (Told(EventKind.STEP_REFUSED, told),))


def job_request(job: Job) -> JobRequest:
    """Return the pipeline job as it is submitted: what the component's own defaults say is left to the component."""
    spec = job_spec(job)
    chosen = {one.name: one.value for one in spec.parameters if one.source != "component"}
    return JobRequest(
        name=job.id,
        display_name=spec.display_name,
        experiment_name=spec.experiment_name,
        component_id=spec.component_id,
        model_id=spec.model_id,
        compute=spec.compute,
        train_file=spec.train_path,
        validation_file=spec.validation_path,
        test_file=spec.test_path,
        parameters={**chosen, "number_of_gpu_to_use_finetuning": str(max(spec.gpus_per_node, 1))},
        tags={"finetune-bot": job.id, "owner": job.owner, "dataset_sha256": spec.dataset_sha256},
    )


def observed(job: Job, snapshot: JobSnapshot | None, metrics: TrainingMetrics | None, now: datetime) -> Outcome:
    """Return what is new about a job; None: Azure has it no more."""
    if snapshot is None:
        return _missing(job, now)
    stages = [_stage(one) for one in snapshot.stages] or job.stages
    changes: dict[str, Any] = {
        "state": snapshot.status,
        "stages": stages,
        "studio_url": snapshot.studio_url or job.studio_url,
        **(_measured(job, metrics, now) if metrics is not None else {}),
        **_times(job, snapshot, now),
    }
    if snapshot.status == "Failed":
        changes["failure"] = _failure(snapshot)
    changes = {name: value for name, value in changes.items() if getattr(job, name) != value}
    return Outcome(changes, tuple(_told(job, changes, snapshot)))


def _told(job: Job, changes: dict[str, Any], snapshot: JobSnapshot) -> list[Told]:
    """Return the events of the changes, in the order in which these happened."""
    now_is = {**{name: getattr(job, name) for name in _REPORTED}, **changes}
    told = []
    if not job.state:
        told.append(Told(EventKind.JOB_SUBMITTED, {"state": now_is["state"], "studio_url": now_is["studio_url"]}))
    if "started_at" in changes:
        told.append(Told(EventKind.JOB_STARTED, {"started_at": iso(now_is["started_at"])}))
    ended = "state" in changes and snapshot.status in TERMINAL_JOB_STATES
    if ("stages" in changes or "state" in changes) and not ended and job.state:
        told.append(Told(EventKind.JOB_STAGE_CHANGED, {"state": snapshot.status, "stage": _running(snapshot)}))
    if job.loss is None and changes.get("loss") is not None:
        told.append(Told(EventKind.JOB_FIRST_METRICS, _progress(now_is)))
    if "step" in changes and not ended:
        told.append(Told(EventKind.JOB_PROGRESSED, _progress(now_is)))
    if ended:
        told.append(_ending(job, now_is))
    return told


def _ending(job: Job, now_is: dict[str, Any]) -> Told:
    if now_is["state"] == "Failed":
        return Told(EventKind.JOB_FAILED, now_is["failure"] or {})
    if now_is["state"] == "Canceled":
        return Told(EventKind.JOB_CANCELED, {"asked": job.wanted == "cancelled", "step": now_is["step"]})
    seconds = (now_is["finished_at"] - now_is["started_at"]).total_seconds() if now_is["started_at"] else None
    return Told(EventKind.JOB_COMPLETED, {**_progress(now_is), "seconds": seconds})


_REPORTED = (
    "state",
    "studio_url",
    "step",
    "max_steps",
    "loss",
    "learning_rate",
    "eval_loss_before",
    "eval_loss_after",
    "eta_seconds",
    "started_at",
    "finished_at",
    "failure",
)


def _progress(now_is: dict[str, Any]) -> dict[str, Any]:
    names = ("step", "max_steps", "loss", "learning_rate", "eval_loss_before", "eval_loss_after", "eta_seconds")
    return {name: now_is[name] for name in names}


def _measured(job: Job, metrics: TrainingMetrics, now: datetime) -> dict[str, Any]:
    """Return the columns that metrics give; a value once seen is not forgotten when an answer lacks it."""
    before = next((value for step, value in metrics.eval_losses if step == 0), job.eval_loss_before)
    after = next((value for step, value in reversed(metrics.eval_losses) if step > 0), job.eval_loss_after)
    max_steps = metrics.max_steps or job.max_steps
    return {
        "step": max(metrics.step, job.step),
        "max_steps": max_steps,
        "loss": metrics.losses[-1][1] if metrics.losses else job.loss,
        "losses": thinned(metrics.losses) or job.losses,
        "learning_rate": metrics.learning_rate if metrics.learning_rate is not None else job.learning_rate,
        "eval_loss_before": before,
        "eval_loss_after": after,
        "eta_seconds": eta_seconds(metrics, max_steps, now),
    }


def thinned(losses: tuple[tuple[int, float], ...]) -> list[list[float]]:
    """Return at most 100 of the pairs of step and loss, evenly spread, the first and the last among them."""
    if len(losses) <= _MOST_LOSSES:
        return [list(pair) for pair in losses]
    last = len(losses) - 1
    return [list(losses[round(at * last / (_MOST_LOSSES - 1))]) for at in range(_MOST_LOSSES)]


def eta_seconds(metrics: TrainingMetrics, max_steps: int | None, now: datetime) -> float | None:
    """Return the seconds until the last step at the pace so far; None: unknown."""
    if not max_steps or not metrics.step or metrics.started_at is None or metrics.logged_at is None:
        return None
    pace = (metrics.logged_at - metrics.started_at).total_seconds() / metrics.step
    left = (max_steps - metrics.step) * pace - (now - metrics.logged_at).total_seconds()
    return round(max(0.0, left), 1)


def _times(job: Job, snapshot: JobSnapshot, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    starts = [one.started_at for one in snapshot.stages if one.started_at is not None]
    if job.started_at is None and (starts or snapshot.status == "Running"):
        changes["started_at"] = min(starts, default=now)
    if job.finished_at is None and snapshot.status in TERMINAL_JOB_STATES:
        changes["finished_at"] = max((one.ended_at for one in snapshot.stages if one.ended_at is not None), default=now)
        changes["eta_seconds"] = None
    return changes


def _stage(one: StageSnapshot) -> dict[str, Any]:
    return {
        "name": one.name,
        "run": one.run,
        "status": one.status,
        "started_at": iso(one.started_at),
        "ended_at": iso(one.ended_at),
    }


def _running(snapshot: JobSnapshot) -> str:
    waiting = [one.name for one in snapshot.stages if one.status not in TERMINAL_JOB_STATES]
    return waiting[0] if waiting else ""


def _failure(snapshot: JobSnapshot) -> dict[str, Any]:
    found = snapshot.failure
    if found is None:
        return {"code": "", "message": "Azure does not say why.", "stage": "", "log": []}
    return {"code": found.code, "message": found.message, "stage": found.stage, "log": list(found.log)}


def _missing(job: Job, now: datetime) -> Outcome:
    failure = {"code": _MISSING, "message": "The job is no longer in the workspace.", "why": "Somebody deleted it."}
    changes = {"state": "Failed", "failure": failure, "finished_at": now, "eta_seconds": None}
    return Outcome(changes, (Told(EventKind.JOB_FAILED, failure),))


def _metrics(services: Services, snapshot: JobSnapshot | None) -> TrainingMetrics | None:
    """Return what was logged; None before there is anything, and where reading metrics is not allowed."""
    if snapshot is None or snapshot.status not in _TRAINING:
        return None
    try:
        return services.azure.metrics(snapshot.name)
    except AzureRefused as error:
        log.warning("The metrics of %s cannot be read: %s", snapshot.name, error)
        return None


def _cancel(services: Services, job: Job, now: datetime) -> Outcome:
    snapshot = services.azure.job(job.id)
    if snapshot is None and not job.state:
        changes = {"state": "Canceled", "finished_at": now}
        return Outcome(changes, (Told(EventKind.JOB_CANCELED, {"asked": True, "step": 0}),))
    if snapshot is None or snapshot.status in TERMINAL_JOB_STATES:
        return observed(job, snapshot, _metrics(services, snapshot), now)
    services.azure.begin_cancel(job.id)
    told = Told(EventKind.JOB_STAGE_CHANGED, {"state": "CancelRequested", "stage": _running(snapshot)})
    return Outcome({"state": "CancelRequested"}, (told,))


def _register(services: Services, job: Job) -> Outcome:
    wanted = registration(job)
    model = services.azure.register_model(wanted.name, wanted.version, job.id, wanted.tags, wanted.description)
    changes = {"model_name": model.name, "model_version": model.version, "model_id": model.id}
    return Outcome(changes, (Told(EventKind.JOB_REGISTERED, changes),))
