"""Dismiss a plan: nobody can confirm it any more."""

from sqlalchemy import update

from core.errors import ConflictError
from core.events import EventKind
from core.records.store import record_event
from core.records.tables import Plan
from core.services import Services


def dismiss_plan(services: Services, plan_id: str, user: str) -> Plan:
    """Let a plan expire now.

    Raises NotFoundError, or ConflictError when it is taken or has expired.
    """
    now = services.clock()
    services.store.get(Plan, plan_id)
    with services.store.transaction() as session:
        free = (Plan.id == plan_id, Plan.taken_by == "", Plan.expires_at > now)
        dismissed = session.execute(update(Plan).where(*free).values(expires_at=now))
        plan = session.get_one(Plan, plan_id)
        if not dismissed.rowcount:  # type: ignore[attr-defined]
            done = (
                f"<@{plan.taken_by}> has already confirmed this." if plan.taken_by else "This plan is no longer open."
            )
            raise ConflictError(done, next="`/ft-status` lists what there is.")
        record_event(session, plan, EventKind.DISMISSED, now, actor=user)
    return plan
