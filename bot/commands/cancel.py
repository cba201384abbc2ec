"""`/ft-cancel`: cancel a job, after asking once more."""

from bot.access import require_owner
from bot.cards import job as cards
from bot.commands.declaration import Arguments, Command, Parameter
from bot.requests import ButtonHandler, Dependencies, Request, subject_id
from core.errors import InputError
from core.events import SubjectKind
from core.operations.cancel_job import cancel_job, plan_cancel
from core.records.tables import Job

COMMAND = Command(
    "/ft-cancel",
    "Cancel a job. Its owner or an admin confirms it.",
    (Parameter("job", "the job's id; not needed in its thread", example="ft-1a2b3c4d"),),
    ("/ft-cancel ft-1a2b3c4d",),
)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> None:
    """Plan to cancel the job; its plan is announced."""
    job = arguments.text("job") or subject_id(request, dependencies.services, SubjectKind.JOB)
    if not job:
        raise InputError("No job is named.", next="`/ft-status` lists them.", field="job")
    plan_cancel(dependencies.services, request.requester, job)


def cancel(request: Request, dependencies: Dependencies) -> None:
    """Cancel the job whose button was pressed and confirmed."""
    services = dependencies.services
    job = services.store.get(Job, request.text)
    require_owner(request.requester.user, job.owner, services.settings.admin_ids, f"cancel `{job.id}`")
    cancel_job(services, plan_cancel(services, request.requester, job.id).id, request.requester.user)


BUTTONS: dict[str, ButtonHandler] = {cards.CANCEL: cancel}
