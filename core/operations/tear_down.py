"""Tear an endpoint down: planned with what it costs, then wanted gone, and deleted by the reconciler."""

from dataclasses import dataclass

from core.errors import ConflictError
from core.events import EventKind
from core.operations.costs import cost_per_day, cost_so_far
from core.operations.plans import change_wanted, new_plan, read_plan
from core.records.tables import Endpoint, Plan, PlanKind
from core.services import Requester, Services


@dataclass(frozen=True)
class TearDownPlan:
    """An endpoint to delete: costs in `currency`, None when unknown."""

    id: str
    owner: str
    model_name: str
    model_version: str
    cost_so_far: float | None
    cost_per_day: float | None
    currency: str

    @classmethod
    def of(cls, plan: Plan) -> "TearDownPlan":
        """Return the body of `plan`."""
        return read_plan(plan, cls)


def plan_tear_down(services: Services, requester: Requester, endpoint_id: str) -> Plan:
    """Plan to delete an endpoint; raises NotFoundError, or ConflictError when it is gone or going."""
    endpoint = services.store.get(Endpoint, endpoint_id)
    _check_there(endpoint)
    body = TearDownPlan(
        endpoint.id,
        endpoint.owner,
        endpoint.model_name,
        endpoint.model_version,
        cost_so_far(endpoint, services.clock()),
        cost_per_day(endpoint),
        endpoint.currency,
    )
    return new_plan(services, requester, PlanKind.TEAR_DOWN, body)


def tear_down(services: Services, plan_id: str, user: str) -> Endpoint:
    """Take the plan and record that the endpoint is to be deleted; raises NotFoundError or ConflictError."""
    told = EventKind.ENDPOINT_DELETE_REQUESTED
    return change_wanted(services, plan_id, PlanKind.TEAR_DOWN, Endpoint, user, "gone", told, _check_there)


def _check_there(endpoint: Endpoint) -> None:
    """Raise ConflictError when the endpoint is gone or going."""
    if endpoint.state == "Gone":
        raise ConflictError(f"The endpoint `{endpoint.id}` is already gone.")
    if endpoint.wanted == "gone":
        raise ConflictError(f"The endpoint `{endpoint.id}` is already being deleted.")
