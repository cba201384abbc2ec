"""Long-running operations: what is stored, the headers that announce one, and the routes on which it is polled.

Azure sends no polling hint, so that the SDK polls every 30 s or so; this server asks to be polled every 200 ms. That is
the one difference, and it is deliberate.
"""

import uuid
from datetime import datetime
from enum import StrEnum

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server.addresses import LOCATION, route
from core.local_azure.server.errors import GatewayError, MfeError
from core.local_azure.server.services import Services, services
from core.local_azure.server.wire import mfe_time

POLL = {"x-ms-retry-after-ms": "200"}


class OperationKind(StrEnum):
    """What is being worked on; the value is the prefix of the operation's name."""

    COMPUTE = ""
    ENDPOINT = "oe"
    DEPLOYMENT = "od"
    CANCEL = "jc"


class Action(StrEnum):
    """What is being done, in the words of the front end's poll answers."""

    CREATE = "Creating"
    UPDATE = "Updating"
    DELETE = "Deleting"


class Failure(msgspec.Struct, frozen=True):
    """Why an operation failed."""

    code: str
    message: str


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One long-running operation on the resource with the ARM id `resource`."""

    name: str
    kind: OperationKind
    action: Action
    resource: str
    started: datetime
    ended: datetime | None = None
    failure: Failure | None = None

    @property
    def status(self) -> str:
        """Return the status as a poll tells it."""
        if self.ended is None:
            return "InProgress" if self.kind is OperationKind.COMPUTE else self.action.value
        return "Failed" if self.failure else "Succeeded"


def begin(services: Services, kind: OperationKind, action: Action, resource: str) -> Operation:
    """Store and return a new operation in progress; a cancel is named after its job, as on Azure."""
    identifier = resource.rpartition("/")[2] if kind is OperationKind.CANCEL else str(uuid.uuid4())
    name = f"{kind}:{services.workspace.workspace_id}:{identifier}" if kind else identifier
    operation = Operation(name=name, kind=kind, action=action, resource=resource, started=services.clock())
    services.store.put("operation", name, operation)
    return operation


def finish(services: Services, operation: Operation) -> None:
    """Store that the operation succeeded."""
    ended = msgspec.structs.replace(operation, ended=services.clock())
    services.store.put("operation", operation.name, ended)


def fail(services: Services, operation: Operation, code: str, message: str) -> None:
    """Store that the operation failed."""
    ended = msgspec.structs.replace(operation, ended=services.clock(), failure=Failure(code, message))
    services.store.put("operation", operation.name, ended)


def unfinished(services: Services, *kinds: OperationKind) -> list[Operation]:
    """Return the operations that were under way when the server last stopped, or still are."""
    return [o for o in services.store.list("operation", Operation) if o.ended is None and o.kind in kinds]


def headers(services: Services, operation: Operation) -> dict[str, str]:
    """Return the headers that announce the operation: which of them differs by kind and action, as recorded."""
    base = services.workspace.url + services.workspace.location_id
    results = f"{base}/mfeOperationResults/{operation.name}?api-version=2022-02-01-preview"
    status = f"{base}/mfeOperationsStatus/{operation.name}?api-version=2022-02-01-preview"
    if operation.kind is OperationKind.COMPUTE:
        url = f"{base}/computeOperationsStatus/{operation.name}?api-version=2023-08-01-preview&service=new"
        return {"Azure-AsyncOperation": url, **POLL}
    if operation.kind is OperationKind.CANCEL:
        return {"Location": results, "x-ms-async-operation-timeout": "PT1H", **POLL}
    location = results if operation.action is Action.DELETE else services.workspace.url + operation.resource
    return {"Azure-AsyncOperation": status, "Location": location, "x-ms-async-operation-timeout": "PT30M", **POLL}


def body(services: Services, operation: Operation) -> dict[str, object]:
    """Return the poll answer of the operation; a failed one is told with HTTP 200."""
    answer: dict[str, object] = {"status": operation.status}
    if operation.failure:
        failure = operation.failure
        answer["error"] = {"code": failure.code, "message": failure.message, "details": [], "additionalInfo": []}
    if operation.kind is OperationKind.COMPUTE:
        return answer | ({"percentComplete": 100.0} if operation.ended else {})
    identity = f"{services.workspace.location_id}/mfeOperationsStatus/{operation.name}"
    answer |= {"id": identity, "name": operation.name, "startTime": mfe_time(operation.started)}
    if operation.ended:
        return answer | {"endTime": mfe_time(operation.ended), "percentComplete": 100.0}
    return answer | {"percentComplete": 0.0}


async def operation_status(request: Request) -> Response:
    """GET .../mfeOperationsStatus/{name} and .../computeOperationsStatus/{name}."""
    operation = _find(request)
    return JSONResponse(body(services(request), operation), headers=POLL if operation.ended is None else None)


async def operation_results(request: Request) -> Response:
    """GET .../mfeOperationResults/{name}: 202 with the same Location until it is over, then 200 without a body."""
    operation = _find(request)
    if operation.ended is None:
        return JSONResponse({}, 202, {"Location": str(request.url), **POLL})
    if operation.failure:
        raise MfeError(400, operation.failure.code, operation.failure.message)
    return Response(status_code=200)


def _find(request: Request) -> Operation:
    name = request.path_params["operation"]
    operation = services(request).store.get("operation", name, Operation)
    if operation is None:
        raise GatewayError(404, "OperationNotFound", f"The operation '{name}' was not found.")
    return operation


routes = [
    route("GET", LOCATION + "/mfeOperationsStatus/{operation}", operation_status),
    route("GET", LOCATION + "/computeOperationsStatus/{operation}", operation_status),
    route("GET", LOCATION + "/mfeOperationResults/{operation}", operation_results),
]
