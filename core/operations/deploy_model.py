"""Deploy a model: planned with its price per hour and day, because it costs until it is torn down."""

import re
from dataclasses import dataclass

from core.azure.types import Price
from core.errors import ConflictError, InputError
from core.events import EventKind
from core.operations.choose_model import retirement
from core.operations.deployable import Deployable, deployable
from core.operations.inference_sizes import check_instance_type
from core.operations.plans import inherited, new_plan, new_token, read_plan, take_plan
from core.operations.validate_compute import price_of
from core.records.store import record_event
from core.records.tables import Endpoint, Plan, PlanKind
from core.services import Requester, Services

DEPLOYMENT = "demo"
"""The deployment's name, as in the walkthrough; each endpoint has one."""

_LONGEST_NAME = 32
_MOST_INSTANCES = 20
# how-to-manage-quotas: 3 to 32 letters, digits and single dashes, a letter first, no dash last.
_NAME = re.compile(r"[a-zA-Z](?:-?[a-zA-Z0-9]){2,31}")


@dataclass(frozen=True)
class DeployRequest:
    """What a person asks for.

    `model` is a job's id, a registered model's name with or without `:version`, or a base model of the registry;
    empty: the newest model that the person registered.
    """

    model: str = ""
    instance_type: str = ""
    instance_count: int = 1
    name: str = ""


@dataclass(frozen=True)
class DeployPlan:
    """A deployment as it will be made; `price` is of one instance per hour, memory in GiB."""

    endpoint: str
    deployment: str
    job_id: str | None
    model_name: str
    model_version: str
    model_id: str
    base_model: str
    context_length: int | None
    instance_type: str
    instance_count: int
    gpus: int
    vcpus: int
    memory_gib: float
    price: Price | None
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan) -> "DeployPlan":
        """Return the body of `plan`."""
        return read_plan(plan, cls)

    @property
    def price_per_hour(self) -> float | None:
        """Return what all instances cost per hour; None: unknown."""
        return None if self.price is None else self.price.amount * self.instance_count

    @property
    def price_per_day(self) -> float | None:
        """Return what all instances cost per day; None: unknown."""
        return None if self.price_per_hour is None else self.price_per_hour * 24


def plan_deploy(services: Services, requester: Requester, request: DeployRequest) -> Plan:
    """Plan an endpoint with one deployment.

    Raises InputError, NotFoundError, ConflictError, ComputeError, ModelError or AzureError.
    """
    if not 1 <= request.instance_count <= _MOST_INSTANCES:
        raise InputError(
            f"{request.instance_count} instances cannot be planned.",
            why=f"It takes 1 to {_MOST_INSTANCES}.",
            field="instance_count",
        )
    model = deployable(services, requester, request.model)
    vm = check_instance_type(services, model, request.instance_type)
    token = new_token()
    name = request.name or endpoint_name(model.name, token)
    _check_name(services, name)
    body = DeployPlan(
        endpoint=name,
        deployment=DEPLOYMENT,
        job_id=model.job_id,
        model_name=model.name,
        model_version=model.version,
        model_id=model.id,
        base_model=model.base.name if model.base is not None else "",
        context_length=model.context_length,
        instance_type=vm.name,
        instance_count=request.instance_count,
        gpus=vm.gpus,
        vcpus=vm.vcpus,
        memory_gib=vm.memory_gib,
        price=price_of(services, vm.name),
        warnings=_warnings(services, model),
    )
    return new_plan(services, requester, PlanKind.DEPLOY, body, token=token)


def deploy_model(services: Services, plan_id: str, user: str) -> Endpoint:
    """Take the plan and record the endpoint that is wanted, once.

    Raises NotFoundError, or ConflictError when the plan is taken or expired, or its endpoint's name is in use by now.
    """
    now = services.clock()
    with services.store.transaction() as session:
        planned = session.get(Plan, plan_id)
        name = str(planned.body.get("endpoint", "")) if planned is not None else ""
        plan = take_plan(session, plan_id, PlanKind.DEPLOY, user, now, result=name)
        if session.get(Endpoint, name) is not None:
            raise _name_taken(name)
        endpoint = _endpoint(plan, DeployPlan.of(plan))
        endpoint.created_at = endpoint.next_at = now
        session.add(endpoint)
        session.flush()
        record_event(session, endpoint, EventKind.ENDPOINT_REQUESTED, now, actor=user, plan=plan.id)
    return endpoint


def endpoint_name(model: str, token: str) -> str:
    """Return a name of 3 to 32 letters, digits and single dashes for an endpoint that serves `model`."""
    words = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[: _LONGEST_NAME - len(token) - 1].strip("-")
    return f"{words if words[:1].isalpha() else 'chat'}-{token}"


def _check_name(services: Services, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise InputError(
            f"`{name}` cannot be the name of an endpoint.",
            why="It takes 3 to 32 letters, digits and single dashes, a letter first and no dash last.",
            field="name",
        )
    known = services.store.find(Endpoint, Endpoint.id == name, limit=1)
    if known or services.azure.endpoint(name) is not None:
        raise _name_taken(name)


def _name_taken(name: str) -> ConflictError:
    return ConflictError(
        f"The name `{name}` is in use by another endpoint.", next="Choose another name, or leave it out."
    )


def _warnings(services: Services, model: Deployable) -> tuple[str, ...]:
    if model.base is None:
        return (f"What {model.name} was made from is unknown: whether it fits this size is not checked.",)
    return retirement(model.base, services.clock().date()).warnings


def _endpoint(plan: Plan, body: DeployPlan) -> Endpoint:
    return Endpoint(
        id=body.endpoint,
        plan_id=plan.id,
        job_id=body.job_id,
        wanted="up",
        state="",
        deployment_state="",
        deployment=body.deployment,
        model_name=body.model_name,
        model_version=body.model_version,
        model_id=body.model_id,
        instance_type=body.instance_type,
        instance_count=body.instance_count,
        price_per_hour=body.price.amount if body.price is not None else None,
        currency=body.price.currency if body.price is not None else "USD",
        price_source=f"{body.price.source}, {body.price.as_of}" if body.price is not None else "",
        context_length=body.context_length,
        **inherited(plan),
    )
