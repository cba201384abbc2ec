"""Clusters, sizes, usages and quotas."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import operations, state_computes
from core.local_azure.server.addresses import LOCATION, WORKSPACE, route
from core.local_azure.server.body import read
from core.local_azure.server.operations import Action, OperationKind
from core.local_azure.server.services import Services, services
from core.local_azure.server.sizes import sizes
from core.local_azure.server.state_computes import Compute, ProvisioningState, busy_nodes
from core.local_azure.server.wire_computes import ComputeBody, compute_json, quotas_json, size_json, usages_json

COMPUTE = WORKSPACE + "/computes/{compute}"


async def list_computes(request: Request) -> Response:
    """GET computes."""
    found = services(request)
    computes = found.store.list(state_computes.KIND, Compute)
    return JSONResponse(
        {"value": [compute_json(c, found.workspace, busy_nodes(found.store, c.name)) for c in computes]}
    )


async def get_compute(request: Request) -> Response:
    """GET computes/{compute}; a missing one is answered without a body, as recorded."""
    found = services(request)
    compute = state_computes.find(found, request.path_params["compute"])
    if compute is None:
        return Response(status_code=404)
    return JSONResponse(compute_json(compute, found.workspace, busy_nodes(found.store, compute.name)))


async def put_compute(request: Request) -> Response:
    """PUT computes/{compute}: create or change, always 201 and Creating."""
    found, name = services(request), request.path_params["compute"]
    body = await read(request, ComputeBody)
    former = state_computes.find(found, name)
    state_computes.check(name, body.properties.properties, former)
    now = found.clock()
    compute = Compute(
        name=former.name if former else name,
        location=body.location or found.workspace.location,
        options=body.properties.properties,
        created=former.created if former else now,
        modified=now,
        description=body.properties.description,
        disable_local_auth=body.properties.disable_local_auth,
        tags=body.tags,
    )
    with found.store.transaction():
        state_computes.save(found, compute)
        operation = _begin(found, compute, Action.UPDATE if former else Action.CREATE)
    answer = compute_json(compute, found.workspace, fresh=former is None)
    found.workers.submit(state_computes.provision, found, operation)
    return JSONResponse(answer, 201, operations.headers(found, operation))


async def delete_compute(request: Request) -> Response:
    """DELETE computes/{compute}."""
    found = services(request)
    compute = state_computes.find(found, request.path_params["compute"])
    if compute is None:
        return Response(status_code=204)
    with found.store.transaction():
        state_computes.save(found, msgspec.structs.replace(compute, state=ProvisioningState.DELETING))
        operation = _begin(found, compute, Action.DELETE)
    found.workers.submit(state_computes.provision, found, operation)
    return Response(status_code=202, headers=operations.headers(found, operation))


async def list_sizes(request: Request) -> Response:
    """GET vmSizes."""
    return JSONResponse({"value": [size_json(size) for size in sizes()]})


async def list_usages(request: Request) -> Response:
    """GET usages."""
    found = services(request)
    computes = found.store.list(state_computes.KIND, Compute)
    busy: dict[str, int] = {}
    for size in sizes():
        nodes = sum(busy_nodes(found.store, c.name) for c in computes if c.options.vm_size.lower() == size.name.lower())
        busy[size.family] = busy.get(size.family, 0) + nodes * size.vcpus
    return JSONResponse({"value": usages_json(found.workspace, computes, busy)})


async def list_quotas(request: Request) -> Response:
    """GET quotas."""
    return JSONResponse({"value": quotas_json(services(request).workspace)})


def _begin(services: Services, compute: Compute, action: Action) -> operations.Operation:
    resource = f"{services.workspace.resource_id}/computes/{compute.name}"
    return operations.begin(services, OperationKind.COMPUTE, action, resource)


routes = [
    route("GET", WORKSPACE + "/computes", list_computes),
    route("GET", COMPUTE, get_compute),
    route("PUT", COMPUTE, put_compute),
    route("DELETE", COMPUTE, delete_compute),
    route("GET", LOCATION + "/vmSizes", list_sizes),
    route("GET", LOCATION + "/usages", list_usages),
    route("GET", LOCATION + "/quotas", list_quotas),
]
