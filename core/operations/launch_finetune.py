"""Launch a planned fine-tune: the press of a button records what is wanted, the reconciler does the rest."""

from core.events import EventKind
from core.operations.plan_finetune import FinetunePlan
from core.operations.plans import inherited, take_plan, token_of
from core.records.store import record_event
from core.records.tables import Job, PlanKind
from core.services import Services


def launch_finetune(services: Services, plan_id: str, user: str) -> Job:
    """Take the plan and record its job, once.

    Raises NotFoundError, or ConflictError when the plan is taken or has expired.
    """
    now = services.clock()
    id_ = f"ft-{token_of(plan_id)}"
    with services.store.transaction() as session:
        plan = take_plan(session, plan_id, PlanKind.FINETUNE, user, now, result=id_)
        body = FinetunePlan.of(plan)
        job = Job(
            id=id_,
            plan_id=plan.id,
            dataset_id=body.dataset_id,
            wanted="registered",
            spec=plan.body,
            state="",
            max_steps=body.steps,
            created_at=now,
            next_at=now,
            **inherited(plan),
        )
        session.add(job)
        session.flush()
        record_event(session, job, EventKind.JOB_REQUESTED, now, actor=user, plan=plan.id)
    return job
