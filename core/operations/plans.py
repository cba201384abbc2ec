"""Plans: what will be done if somebody presses the button, stored before anybody is asked to press it."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import update

from core.errors import ConflictError, NotFoundError
from core.events import EventKind
from core.operations.stored import from_stored, to_stored
from core.records.store import record_event
from core.records.tables import Endpoint, Job, Plan, PlanKind, Requested
from core.services import Requester, Services

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

B = TypeVar("B")
R = TypeVar("R", Job, Endpoint)

_ALPHABET = "abcdefghjkmnpqrstvwxyz0123456789"
_LENGTH = 8


def new_token() -> str:
    """Return eight random letters and digits; everything that a plan makes on Azure has them in its name."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_plan(services: Services, requester: Requester, kind: PlanKind, body: object, *, token: str = "") -> Plan:
    """Store the plan that `body`, a frozen dataclass, describes; nothing else happens."""
    now = services.clock()
    plan = Plan(
        id=f"plan-{token or new_token()}",
        kind=kind,
        body=to_stored(body),
        expires_at=now + services.settings.plan_lifetime,
        created_at=now,
        **asked_by(requester),
    )
    with services.store.transaction() as session:
        session.add(plan)
        record_event(session, plan, EventKind.PLANNED, now, actor=requester.user, plan_kind=str(kind))
    return plan


def read_plan(plan: Plan, body: type[B]) -> B:
    """Return the dataclass that `plan` was made from."""
    return from_stored(plan.body, body)


def take_plan(session: "Session", plan_id: str, kind: PlanKind, user: str, now: datetime, result: str = "") -> Plan:
    """Take a plan for `user` in the transaction that carries it out.

    `result` is the id of what the plan makes; empty: it changes the record whose `id` is in its body.
    Only one press wins, whoever presses how often: it is one guarded UPDATE.
    Raises NotFoundError, or ConflictError that says who took it or that it expired.
    """
    free = (Plan.id == plan_id, Plan.kind == kind, Plan.taken_by == "", Plan.expires_at > now)
    taken = session.execute(update(Plan).where(*free).values(taken_by=user, taken_at=now))
    plan = session.get(Plan, plan_id)
    if plan is None or plan.kind != kind:
        raise NotFoundError(f"There is no {kind.replace('_', ' ')} plan `{plan_id}`.", next="Ask for a new plan.")
    if not taken.rowcount:  # type: ignore[attr-defined]
        raise _not_free(plan)
    plan.result = result or str(plan.body["id"])
    record_event(session, plan, EventKind.CONFIRMED, now, actor=user, plan_kind=str(kind), result=plan.result)
    return plan


def asked_by(requester: Requester) -> dict[str, str]:
    """Return the columns of a record that say who asked for it, and where."""
    return {
        "owner": requester.user,
        "team": requester.team,
        "channel": requester.channel,
        "thread": requester.thread,
    }


def inherited(record: Requested) -> dict[str, str]:
    """Return the same columns, taken from the plan or record that came before."""
    return {"owner": record.owner, "team": record.team, "channel": record.channel, "thread": record.thread}


def token_of(plan_id: str) -> str:
    """Return the token in a plan's id."""
    return plan_id.rpartition("-")[2]


def change_wanted(
    services: Services,
    plan_id: str,
    kind: PlanKind,
    table: type[R],
    user: str,
    wanted: str,
    told: EventKind,
    check: Callable[[R], None],
) -> R:
    """Take a plan that changes what is wanted of a record: a job cancelled, an endpoint gone.

    `check` raises when that can no longer be wanted of the record as it is now; the plan is not taken then.
    """
    now = services.clock()
    with services.store.transaction() as session:
        plan = take_plan(session, plan_id, kind, user, now)
        record = session.get_one(table, plan.result)
        check(record)
        record.wanted, record.wanted_by, record.next_at, record.attempts = wanted, user, now, 0
        record_event(session, record, told, now, actor=user)
    return record


def _not_free(plan: Plan) -> ConflictError:
    if plan.taken_by:
        made = f" as `{plan.result}`" if plan.result else ""
        return ConflictError(
            f"<@{plan.taken_by}> has already started this{made}.",
            next="`/ft-status` shows how it is going.",
        )
    return ConflictError(
        "This plan has expired.", why="Prices and computes may have changed since.", next="Ask for a new plan."
    )
