"""Cancel a job: planned, because hours of paid training may be lost; then wanted, and carried out by the reconciler."""

from dataclasses import dataclass

from core.azure.types import TERMINAL_JOB_STATES
from core.errors import ConflictError
from core.events import EventKind
from core.operations.plans import change_wanted, new_plan, read_plan
from core.records.tables import Job, Plan, PlanKind
from core.services import Requester, Services


@dataclass(frozen=True)
class CancelPlan:
    """A job to cancel, as it stood when that was asked."""

    id: str
    owner: str
    state: str
    step: int
    max_steps: int | None

    @classmethod
    def of(cls, plan: Plan) -> "CancelPlan":
        """Return the body of `plan`."""
        return read_plan(plan, cls)


def plan_cancel(services: Services, requester: Requester, job_id: str) -> Plan:
    """Plan to cancel a job; raises NotFoundError, or ConflictError when it has ended or is being cancelled."""
    job = services.store.get(Job, job_id)
    _check_running(job)
    body = CancelPlan(job.id, job.owner, job.state, job.step, job.max_steps)
    return new_plan(services, requester, PlanKind.CANCEL, body)


def cancel_job(services: Services, plan_id: str, user: str) -> Job:
    """Take the plan and record that the job is to be cancelled; Azure is asked by the reconciler.

    Raises NotFoundError or ConflictError.
    """
    told = EventKind.JOB_CANCEL_REQUESTED
    return change_wanted(services, plan_id, PlanKind.CANCEL, Job, user, "cancelled", told, _check_running)


def _check_running(job: Job) -> None:
    """Raise ConflictError when the job has ended or is being cancelled."""
    if job.state in TERMINAL_JOB_STATES:
        raise ConflictError(f"The job `{job.id}` has already ended: {job.state}.")
    if job.wanted == "cancelled":
        raise ConflictError(f"The job `{job.id}` is already being cancelled.")
