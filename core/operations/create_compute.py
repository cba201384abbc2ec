"""Create a compute cluster: planned with its price, then asked for; the reconciler falls back to low priority."""

import re
from dataclasses import dataclass
from typing import Literal

from core.azure.types import Price
from core.errors import ConflictError, InputError
from core.events import EventKind
from core.operations.plans import inherited, new_plan, read_plan, take_plan, token_of
from core.operations.validate_compute import validate_compute
from core.records.store import record_event
from core.records.tables import Compute, Plan, PlanKind
from core.services import Requester, Services

Tier = Literal["Dedicated", "LowPriority"]

# https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster: 2 to 32 characters.
_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])")


@dataclass(frozen=True)
class ComputePlan:
    """A cluster to create: it scales from no node to `max_instances`; `price` is of one node while it runs."""

    name: str
    size: str
    gpus_per_node: int
    tier: Tier
    max_instances: int
    idle_minutes: int
    price: Price | None
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan) -> "ComputePlan":
        """Return the body of `plan`."""
        return read_plan(plan, cls)


def plan_compute(
    services: Services,
    requester: Requester,
    name: str,
    size: str = "",
    *,
    model: str = "",
    tier: Tier = "Dedicated",
    max_instances: int = 1,
    idle_minutes: int = 10,
) -> Plan:
    """Plan a cluster that does not exist yet; without `size` the smallest that can tune the model.

    Raises InputError, ConflictError or ComputeError.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"`{name}` cannot be the name of a compute.",
            why="It takes 2 to 32 letters, digits and dashes, a letter first and no dash last.",
            field="compute",
        )
    if not 1 <= max_instances <= 100:
        raise InputError(
            f"A cluster of {max_instances} nodes cannot be planned.", why="It takes 1 to 100.", field="nodes"
        )
    if not 1 <= idle_minutes <= 24 * 60:
        raise InputError(
            f"{idle_minutes} idle minutes cannot be planned.", why="It takes 1 to 1440.", field="idle_minutes"
        )
    report = validate_compute(services, name, model=model, size=size)
    if report.compute is not None:
        raise ConflictError(f"The compute `{name}` exists already.", next=f"`/ft-launch compute={name}` uses it.")
    body = ComputePlan(
        name, report.size, report.gpus_per_node, tier, max_instances, idle_minutes, report.price, report.warnings
    )
    return new_plan(services, requester, PlanKind.CREATE_COMPUTE, body)


def create_compute(services: Services, plan_id: str, user: str) -> Compute:
    """Take the plan and record the cluster that is wanted; raises NotFoundError or ConflictError."""
    now = services.clock()
    id_ = f"compute-{token_of(plan_id)}"
    with services.store.transaction() as session:
        plan = take_plan(session, plan_id, PlanKind.CREATE_COMPUTE, user, now, result=id_)
        body = ComputePlan.of(plan)
        compute = Compute(
            id=id_,
            plan_id=plan.id,
            name=body.name,
            size=body.size,
            tier=body.tier,
            max_instances=body.max_instances,
            idle_seconds=body.idle_minutes * 60,
            created_at=now,
            next_at=now,
            **inherited(plan),
        )
        session.add(compute)
        record_event(session, compute, EventKind.COMPUTE_REQUESTED, now, actor=user, name=body.name, size=body.size)
    return compute
