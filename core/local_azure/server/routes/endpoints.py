"""Online endpoints: created, changed, deleted, and the keys and tokens with which they are called."""

from datetime import UTC, datetime, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.clock import system_clock
from core.local_azure.server import operations
from core.local_azure.server.addresses import WORKSPACE, route
from core.local_azure.server.body import read
from core.local_azure.server.operations import Action, Operation, OperationKind
from core.local_azure.server.rollout import carry_out
from core.local_azure.server.services import Services, services
from core.local_azure.server.state_endpoints import (
    ENDPOINT,
    SETTLED,
    Endpoint,
    EndpointProperties,
    ProvisioningState,
    check_name,
    check_traffic,
    deployments,
    find_endpoint,
    move_endpoint,
    new_key,
    refused,
)
from core.local_azure.server.wire_endpoints import endpoint_id, endpoint_json, scoring_uri

AUTH_MODES = frozenset({"Key", "AMLToken", "AADToken"})
TOKEN_LIFETIME = timedelta(hours=12)


class EndpointBody(msgspec.Struct):
    """Body of PUT."""

    properties: EndpointProperties
    tags: dict[str, str] | None = None


class PatchBody(msgspec.Struct):
    """Body of PATCH."""

    tags: dict[str, str] = {}


class KeyBody(msgspec.Struct, rename="camel"):
    """Body of regenerateKeys."""

    key_type: str
    key_value: str | None = None


async def put_endpoint(request: Request) -> Response:
    """PUT onlineEndpoints/{endpoint}: 201 also for a change, which answers the old traffic until it succeeds."""
    parts, name = services(request), request.path_params["endpoint"]
    body = await read(request, EndpointBody)
    with parts.store.transaction():
        former = parts.store.get(ENDPOINT, name, Endpoint)
        _check(parts, name, body.properties, former)
        operation = _begin(parts, name, Action.UPDATE)
        endpoint = _endpoint(parts, name, body, former, operation)
        parts.store.put(ENDPOINT, name, endpoint)
    return _accepted(parts, endpoint, operation, 201)


async def get_endpoint(request: Request) -> Response:
    """GET onlineEndpoints/{endpoint}."""
    parts = services(request)
    endpoint = find_endpoint(parts.store, request.path_params["endpoint"])
    return JSONResponse(endpoint_json(endpoint, parts.workspace))


async def list_endpoints(request: Request) -> Response:
    """GET onlineEndpoints."""
    parts = services(request)
    found = parts.store.list(ENDPOINT, Endpoint)
    return JSONResponse({"value": [endpoint_json(endpoint, parts.workspace) for endpoint in found]})


async def patch_endpoint(request: Request) -> Response:
    """PATCH onlineEndpoints/{endpoint}: its tags."""
    parts, body = services(request), await read(request, PatchBody)
    with parts.store.transaction():
        endpoint = find_endpoint(parts.store, request.path_params["endpoint"])
        _check_settled(endpoint)
        operation = _begin(parts, endpoint.name, Action.UPDATE)
        moved = move_endpoint(endpoint, ProvisioningState.UPDATING, parts.clock())
        endpoint = msgspec.structs.replace(moved, tags=endpoint.tags | body.tags, operation=operation.name)
        parts.store.put(ENDPOINT, endpoint.name, endpoint)
    return _accepted(parts, endpoint, operation, 202)


async def delete_endpoint(request: Request) -> Response:
    """DELETE onlineEndpoints/{endpoint}: with all its deployments; 204 when there is none."""
    parts, name = services(request), request.path_params["endpoint"]
    with parts.store.transaction():
        endpoint = parts.store.get(ENDPOINT, name, Endpoint)
        if endpoint is None:
            return Response(status_code=204)
        operation = _begin(parts, name, Action.DELETE)
        if endpoint.state is not ProvisioningState.DELETING:
            endpoint = move_endpoint(endpoint, ProvisioningState.DELETING, parts.clock())
        parts.store.put(ENDPOINT, name, msgspec.structs.replace(endpoint, operation=operation.name))
    parts.workers.submit(carry_out, parts, operation)
    return JSONResponse(None, 202, operations.headers(parts, operation))


async def list_keys(request: Request) -> Response:
    """POST onlineEndpoints/{endpoint}/listKeys."""
    endpoint = _find(request, "Key")
    return JSONResponse({"primaryKey": endpoint.primary_key, "secondaryKey": endpoint.secondary_key})


async def regenerate_keys(request: Request) -> Response:
    """POST onlineEndpoints/{endpoint}/regenerateKeys: a fresh key, or the one that is sent.

    azure-ai-ml always sends the present key, which asks for a fresh one.
    """
    parts, endpoint = services(request), _find(request, "Key")
    body = await read(request, KeyBody)
    field = {"Primary": "primary_key", "Secondary": "secondary_key"}.get(body.key_type)
    if field is None:
        raise refused(f"The key type {body.key_type} is neither Primary nor Secondary.")
    key = body.key_value if body.key_value and body.key_value != getattr(endpoint, field) else new_key()
    operation = _begin(parts, endpoint.name, Action.UPDATE)
    parts.store.put(ENDPOINT, endpoint.name, msgspec.structs.replace(endpoint, **{field: key}))
    operations.finish(parts, operation)
    return JSONResponse(None, 202, operations.headers(parts, operation))


async def get_token(request: Request) -> Response:
    """POST onlineEndpoints/{endpoint}/token: a token for an endpoint in mode AMLToken."""
    parts, endpoint = services(request), _find(request, "AMLToken")
    expiry = system_clock() + TOKEN_LIFETIME
    token = parts.tokens.mint(scoring_uri(endpoint.name, parts.workspace), TOKEN_LIFETIME)
    refresh = expiry - TOKEN_LIFETIME / 2
    times = {"expiryTimeUtc": _epoch(expiry), "refreshAfterTimeUtc": _epoch(refresh)}
    return JSONResponse({"accessToken": token, "tokenType": "Bearer", **times})


def _find(request: Request, mode: str) -> Endpoint:
    endpoint = find_endpoint(services(request).store, request.path_params["endpoint"])
    if endpoint.wanted.auth_mode != mode:
        raise refused(f"The endpoint {endpoint.name} uses {endpoint.wanted.auth_mode} for authentication, not {mode}.")
    return endpoint


def _check(parts: Services, name: str, wanted: EndpointProperties, former: Endpoint | None) -> None:
    if wanted.auth_mode not in AUTH_MODES:
        raise refused(f"The authentication mode {wanted.auth_mode} is not one of {', '.join(sorted(AUTH_MODES))}.")
    if former is None:
        check_name("endpoint", name)
    else:
        _check_settled(former)
        if former.wanted.auth_mode != wanted.auth_mode:
            raise refused("The authentication mode of an existing endpoint cannot be changed.")
    known = {deployment.name: deployment for deployment in deployments(parts.store, name)}
    check_traffic(wanted.traffic or {}, wanted.mirror_traffic or {}, known)


def _check_settled(endpoint: Endpoint) -> None:
    if endpoint.state not in SETTLED:
        raise refused(
            f"Cannot update the endpoint {endpoint.name} because it is in {endpoint.state} provisioning state"
        )


def _endpoint(
    parts: Services, name: str, body: EndpointBody, former: Endpoint | None, operation: Operation
) -> Endpoint:
    now = parts.clock()
    if former is None:
        return Endpoint(
            name=name,
            state=ProvisioningState.CREATING,
            wanted=body.properties,
            operation=operation.name,
            created=now,
            modified=now,
            primary_key=new_key(),
            secondary_key=new_key(),
            tags=body.tags or {},
        )
    moved = move_endpoint(former, ProvisioningState.UPDATING, now)
    tags = former.tags if body.tags is None else body.tags
    return msgspec.structs.replace(moved, wanted=body.properties, tags=tags, operation=operation.name)


def _begin(parts: Services, name: str, action: Action) -> Operation:
    return operations.begin(parts, OperationKind.ENDPOINT, action, endpoint_id(name, parts.workspace))


def _accepted(parts: Services, endpoint: Endpoint, operation: Operation, status: int) -> Response:
    answer = JSONResponse(endpoint_json(endpoint, parts.workspace), status, operations.headers(parts, operation))
    parts.workers.submit(carry_out, parts, operation)
    return answer


def _epoch(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())


ENDPOINTS = WORKSPACE + "/onlineEndpoints"
routes = [
    route("GET", ENDPOINTS, list_endpoints),
    route("PUT", ENDPOINTS + "/{endpoint}", put_endpoint),
    route("GET", ENDPOINTS + "/{endpoint}", get_endpoint),
    route("PATCH", ENDPOINTS + "/{endpoint}", patch_endpoint),
    route("DELETE", ENDPOINTS + "/{endpoint}", delete_endpoint),
    route("POST", ENDPOINTS + "/{endpoint}/listKeys", list_keys),
    route("POST", ENDPOINTS + "/{endpoint}/regenerateKeys", regenerate_keys),
    route("POST", ENDPOINTS + "/{endpoint}/token", get_token),
]
