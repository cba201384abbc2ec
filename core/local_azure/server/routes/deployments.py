"""Deployments in online endpoints: created, changed, deleted, and their logs."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import operations
from core.local_azure.server.addresses import route
from core.local_azure.server.body import read
from core.local_azure.server.durations import seconds
from core.local_azure.server.errors import MfeError
from core.local_azure.server.operations import Action, Operation, OperationKind
from core.local_azure.server.rollout import carry_out, storage_log
from core.local_azure.server.routes.endpoints import ENDPOINTS
from core.local_azure.server.services import Services, services
from core.local_azure.server.sizes import find_size
from core.local_azure.server.state_endpoints import (
    DEPLOYMENT,
    MOST_DEPLOYMENTS,
    SETTLED,
    Deployment,
    DeploymentProperties,
    Endpoint,
    Probe,
    ProvisioningState,
    Sku,
    check_name,
    deployment_key,
    deployments,
    find_deployment,
    find_endpoint,
    move_deployment,
    refused,
)
from core.local_azure.server.wire_endpoints import deployment_id, deployment_json, logs_text

LONGEST_REQUEST = 180.0
"""Seconds (https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas)."""


class DeploymentBody(msgspec.Struct):
    """Body of PUT."""

    properties: DeploymentProperties
    tags: dict[str, str] | None = None
    sku: Sku = Sku()


class PatchBody(msgspec.Struct):
    """Body of PATCH."""

    tags: dict[str, str] = {}
    sku: Sku | None = None


class LogsBody(msgspec.Struct, rename="camel"):
    """Body of getLogs; `tail` is a number of lines."""

    container_type: str | None = None
    tail: int | None = None


async def put_deployment(request: Request) -> Response:
    """PUT deployments/{deployment}: 201; its process starts in the background."""
    parts, name = services(request), request.path_params["deployment"]
    body = await read(request, DeploymentBody)
    with parts.store.transaction():
        endpoint = find_endpoint(parts.store, request.path_params["endpoint"])
        former = parts.store.get(DEPLOYMENT, deployment_key(endpoint.name, name), Deployment)
        _check(parts, endpoint, name, body, former)
        operation = _begin(parts, endpoint.name, name, Action.UPDATE)
        deployment = _deployment(parts, endpoint, name, body, former, operation)
        parts.store.put(DEPLOYMENT, deployment.key, deployment)
    return _accepted(parts, deployment, operation, 201)


async def get_deployment(request: Request) -> Response:
    """GET deployments/{deployment}."""
    return JSONResponse(deployment_json(_find(request), services(request).workspace))


async def list_deployments(request: Request) -> Response:
    """GET deployments."""
    parts = services(request)
    endpoint = find_endpoint(parts.store, request.path_params["endpoint"])
    found = deployments(parts.store, endpoint.name)
    return JSONResponse({"value": [deployment_json(deployment, parts.workspace) for deployment in found]})


async def patch_deployment(request: Request) -> Response:
    """PATCH deployments/{deployment}: its tags and number of instances."""
    parts, body = services(request), await read(request, PatchBody)
    with parts.store.transaction():
        deployment = _find(request)
        _check_settled(deployment)
        operation = _begin(parts, deployment.endpoint, deployment.name, Action.UPDATE)
        moved = move_deployment(deployment, ProvisioningState.UPDATING, parts.clock())
        tags, sku = deployment.tags | body.tags, body.sku or deployment.sku
        deployment = msgspec.structs.replace(moved, tags=tags, sku=sku, operation=operation.name)
        parts.store.put(DEPLOYMENT, deployment.key, deployment)
    return _accepted(parts, deployment, operation, 202)


async def delete_deployment(request: Request) -> Response:
    """DELETE deployments/{deployment}: not while it has traffic; 204 when there is none."""
    parts, name = services(request), request.path_params["deployment"]
    with parts.store.transaction():
        endpoint = find_endpoint(parts.store, request.path_params["endpoint"])
        deployment = parts.store.get(DEPLOYMENT, deployment_key(endpoint.name, name), Deployment)
        if deployment is None:
            return Response(status_code=204)
        if endpoint.traffic.get(name):
            raise refused(
                f"The deployment {name} receives {endpoint.traffic[name]} percent of the traffic. Set it to 0 first."
            )
        operation = _begin(parts, endpoint.name, name, Action.DELETE)
        if deployment.state is not ProvisioningState.DELETING:
            deployment = move_deployment(deployment, ProvisioningState.DELETING, parts.clock())
        parts.store.put(DEPLOYMENT, deployment.key, msgspec.structs.replace(deployment, operation=operation.name))
    parts.workers.submit(carry_out, parts, operation)
    return JSONResponse(None, 202, operations.headers(parts, operation))


async def get_logs(request: Request) -> Response:
    """POST deployments/{deployment}/getLogs: of the process that serves, or of what prepared its model."""
    parts, deployment = services(request), _find(request)
    body = await read(request, LogsBody)
    mounted = storage_log(parts, deployment.key)
    asked = (body.container_type or "InferenceServer").lower()
    if asked not in ("inferenceserver", "storageinitializer"):
        raise refused(f"The container type {body.container_type} is neither InferenceServer nor StorageInitializer.")
    path = mounted if asked == "storageinitializer" else parts.deployments.log_file(deployment.key)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    tail = lines[-body.tail :] if body.tail else lines
    return JSONResponse({"content": logs_text(deployment, mounted.exists(), tail)})


def _find(request: Request) -> Deployment:
    names = request.path_params
    return find_deployment(services(request).store, names["endpoint"], names["deployment"])


def _check(parts: Services, endpoint: Endpoint, name: str, body: DeploymentBody, former: Deployment | None) -> None:
    if endpoint.state is not ProvisioningState.SUCCEEDED:
        # As quoted in Azure/azure-sdk-for-net#36961; its status code is not known.
        raise refused(
            f"Cannot create a deployment in endpoint {endpoint.name} because it is in {endpoint.state} "
            "provisioning state"
        )
    if former:
        _check_settled(former)
    else:
        check_name("deployment", name)
        if len(deployments(parts.store, endpoint.name)) >= MOST_DEPLOYMENTS:
            raise refused(f"The endpoint {endpoint.name} has {MOST_DEPLOYMENTS} deployments, the most allowed.")
    wanted = body.properties
    if not wanted.model:
        raise refused("The deployment names no model.")
    size = find_size(wanted.instance_type or "")
    if size is None:
        raise refused(f"The instance type {wanted.instance_type} is not supported.")
    if body.sku.capacity < 1:
        raise refused(f"The number of instances must be at least 1, not {body.sku.capacity}.")
    _check_durations(wanted)
    scarcity = parts.faults.scarce("deployment") if former is None else None
    if scarcity or size.quota < size.vcpus:
        raise _out_of_quota(size.vcpus, scarcity.message if scarcity else None)


def _check_durations(wanted: DeploymentProperties) -> None:
    probes = [probe for probe in (wanted.liveness_probe, wanted.readiness_probe, Probe()) if probe]
    settings = wanted.request_settings
    try:
        for probe in probes:
            seconds(probe.initial_delay), seconds(probe.period), seconds(probe.timeout)
        longest = seconds(settings.request_timeout) if settings else 0.0
    except ValueError as error:
        raise refused(f"The request is invalid: {error}.") from None
    if longest > LONGEST_REQUEST:
        raise refused(f"The request timeout must not be longer than {LONGEST_REQUEST:.0f} seconds.")


def _check_settled(deployment: Deployment) -> None:
    if deployment.state not in SETTLED:
        raise refused(
            f"Cannot update the deployment {deployment.name} because it is in {deployment.state} provisioning state"
        )


def _out_of_quota(vcpus: int, message: str | None) -> MfeError:
    """Return the error of a deployment for which there are no cores (from MicrosoftLearning/mslearn-azure-ml#30)."""
    text = message or (
        "Not enough quota available for SKU in SubscriptionId. "
        f"Current usage/limit: 0/0. Additional needed: {vcpus}. Please see troubleshooting guide, available here: "
        "https://aka.ms/oe-tsg#error-outofquota"
    )
    detail = ("InferencingClientCreateDeploymentFailed", f"InferencingClient HttpRequest error, error detail: {text}")
    return MfeError(400, "BadRequest", "The request is invalid.", details=(detail,))


def _deployment(
    parts: Services,
    endpoint: Endpoint,
    name: str,
    body: DeploymentBody,
    former: Deployment | None,
    operation: Operation,
) -> Deployment:
    now = parts.clock()
    if former is None:
        return Deployment(
            name=name,
            endpoint=endpoint.name,
            # Azure ML answers Updating for a new deployment too.
            state=ProvisioningState.UPDATING,
            wanted=body.properties,
            operation=operation.name,
            created=now,
            modified=now,
            tags=body.tags or {},
            sku=body.sku,
        )
    moved = move_deployment(former, ProvisioningState.UPDATING, now)
    tags = former.tags if body.tags is None else body.tags
    return msgspec.structs.replace(moved, wanted=body.properties, tags=tags, sku=body.sku, operation=operation.name)


def _begin(parts: Services, endpoint: str, name: str, action: Action) -> Operation:
    return operations.begin(parts, OperationKind.DEPLOYMENT, action, deployment_id(endpoint, name, parts.workspace))


def _accepted(parts: Services, deployment: Deployment, operation: Operation, status: int) -> Response:
    answer = JSONResponse(deployment_json(deployment, parts.workspace), status, operations.headers(parts, operation))
    parts.workers.submit(carry_out, parts, operation)
    return answer


DEPLOYMENTS = ENDPOINTS + "/{endpoint}/deployments"
routes = [
    route("GET", DEPLOYMENTS, list_deployments),
    route("PUT", DEPLOYMENTS + "/{deployment}", put_deployment),
    route("GET", DEPLOYMENTS + "/{deployment}", get_deployment),
    route("PATCH", DEPLOYMENTS + "/{deployment}", patch_deployment),
    route("DELETE", DEPLOYMENTS + "/{deployment}", delete_deployment),
    route("POST", DEPLOYMENTS + "/{deployment}/getLogs", get_logs),
]
