"""What every call passes before its route: the record of it, faults, the token, and whether its workspace exists."""

import re
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.local_azure.server import errors
from core.local_azure.server.addresses import OPEN
from core.local_azure.server.errors import GatewayError, MfeError
from core.local_azure.server.faults import Call, Fault, Kind, Moment, new_call
from core.local_azure.server.services import Services

IN_A_WORKSPACE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)(/resourceGroups/(?P<group>[^/]+))?/providers/Microsoft\.MachineLearningServices"
    r"(/workspaces/(?P<workspace>[^/]+))?",
    re.IGNORECASE,
)


class Gate:
    """The ASGI application in front of all routes."""

    def __init__(self, app: ASGIApp, services: Callable[[], Services]) -> None:
        self._app, self._services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one call through, or refuse it, or make it suffer a fault."""
        if scope["type"] != "http" or scope["path"].startswith("/_control/"):
            return await self._app(scope, receive, send)
        services = self._services()
        body = b""
        if not scope["path"].startswith("/blob/"):
            # azure-ai-ml joins URLs with a slash too many here and there; blob names may contain two.
            scope["path"] = re.sub("//+", "/", scope["path"])
            body = await _read(receive)
            receive = _replay(body, receive)
        query = re.sub("(?<=sig=)[^&]*", "...", scope["query_string"].decode())
        call = new_call(scope["method"], scope["path"], query, body, services.clock())
        await services.faults.received(call)
        fault = services.faults.take(call.method, call.path)
        if fault and fault.moment is Moment.BEFORE and not await self._survives(fault, call, scope, receive, send):
            return None
        answer: list[Message] = []
        after = fault is not None and fault.moment is Moment.AFTER

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                await services.faults.answered(call, message["status"])
                _add_headers(MutableHeaders(raw=message["headers"]))
            if after:
                answer.append(message)
            else:
                await send(message)

        try:
            self._check(scope, services)
        except (GatewayError, MfeError) as error:
            await errors.response(error)(scope, receive, record)
        else:
            await self._app(scope, receive, record)
        if fault and after and await self._survives(fault, call, scope, receive, send):
            for message in answer:
                await send(message)
        return None

    def _check(self, scope: Scope, services: Services) -> None:
        path = scope["path"]
        if not path.lower().startswith(OPEN):
            services.tokens.check(Headers(scope=scope).get("authorization"))
        found = IN_A_WORKSPACE.search(path)
        # Registries live in a subscription and a resource group of their own.
        if found is None or path.lower().startswith("/mferp/"):
            return
        workspace = services.workspace
        subscription, group, name = found["subscription"], found["group"], found["workspace"]
        if subscription.lower() != workspace.subscription:
            message = f"The subscription '{subscription}' could not be found."
            raise GatewayError(404, "SubscriptionNotFound", message)
        if group and group.lower() != workspace.resource_group:
            raise GatewayError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        if name and name.lower() != workspace.name:
            raise errors.workspace_not_found(name, group)

    async def _survives(self, fault: Fault, call: Call, scope: Scope, receive: Receive, send: Send) -> bool:
        """Return whether the call goes on; one that does not has been answered or cut off."""
        if fault.kind is Kind.HOLD and await self._services().faults.hold(call, fault.moment):
            return True
        if fault.kind is Kind.STATUS:
            await self._services().faults.answered(call, fault.status)
            answer = errors.response(MfeError(fault.status, fault.code, fault.message))
            answer.headers.update(fault.headers)
            await answer(scope, receive, send)
            return False
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass
        return False


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that tells `body` again, then whatever the connection tells."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _add_headers(headers: MutableHeaders) -> None:
    if "x-ms-failure-cause" not in headers:
        headers.setdefault("x-ms-response-type", "standard")
    headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
    headers.setdefault("x-ms-correlation-request-id", str(uuid.uuid4()))
