"""The plane for tests and demos, under ``/_control/``: not part of Azure ML, and closed without the control token."""

import hmac
import re
import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.local_azure.server.errors import GatewayError
from core.local_azure.server.faults import Call, Fault, Scarcity
from core.local_azure.server.services import Services, services

Body = TypeVar("Body", bound=msgspec.Struct)
LONGEST_WAIT = 60.0


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """How far to move the clock."""

    seconds: float


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a held call goes on or is cut off."""

    release: bool


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _read(request: Request, type: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body(), type=type)
    except msgspec.ValidationError as error:
        raise GatewayError(400, "BadRequest", str(error)) from None


async def add_fault(request: Request) -> Response:
    """POST faults: put a `Fault` into force."""
    try:
        services(request).faults.add(await _read(request, Fault))
    except re.error as error:
        raise GatewayError(400, "BadRequest", f"not a regular expression: {error}") from None
    return _json({})


async def clear_faults(request: Request) -> Response:
    """DELETE faults: forget all faults, scarcities and calls, and release what is held."""
    await services(request).faults.clear()
    return _json({})


async def add_scarcity(request: Request) -> Response:
    """POST scarcities: put a `Scarcity` into force."""
    services(request).faults.add_scarcity(await _read(request, Scarcity))
    return _json({})


async def held(request: Request) -> Response:
    """GET held?timeout=S: the calls being held, waiting until there is one."""
    faults = services(request).faults
    await faults.wait(lambda: bool(faults.held()), _timeout(request))
    return _json(faults.held())


async def decide(request: Request) -> Response:
    """POST held/{call}: release or drop a held call."""
    decision = await _read(request, Decision)
    if not await services(request).faults.decide(request.path_params["call"], release=decision.release):
        raise GatewayError(404, "NotFound", "This call is not being held.")
    return _json({})


async def calls(request: Request) -> Response:
    """GET calls?method=&path=&atleast=N&timeout=S: the calls received, oldest first, waiting until there are N."""
    faults, query = services(request).faults, request.query_params
    method, path = query.get("method", ".*"), query.get("path", "")

    def matching() -> list[Call]:
        found = (c for c in faults.calls if re.fullmatch(method, c.method, re.IGNORECASE))
        return [c for c in found if re.search(path, c.path, re.IGNORECASE)]

    await faults.wait(lambda: len(matching()) >= int(query.get("atleast", "0")), _timeout(request))
    return _json(matching())


async def answered(request: Request) -> Response:
    """GET answered?call=ID&timeout=S: the call once it has been answered, waiting for that."""
    faults, wanted = services(request).faults, request.query_params.get("call")

    def found() -> list[Call]:
        return [call for call in faults.calls if call.id == wanted and call.status]

    await faults.wait(lambda: bool(found()), _timeout(request))
    return _json(found())


async def advance(request: Request) -> Response:
    """POST clock: move the clock forward; answers the new time."""
    clock = services(request).clock
    clock.advance(timedelta(seconds=(await _read(request, Advance)).seconds))
    return _json({"now": clock()})


async def reset(request: Request) -> Response:
    """POST reset: an empty workspace as on its first day; its URL, secrets and time stay."""
    found = services(request)
    await found.faults.clear()
    # In a thread, because work that is being stopped may still call this server.
    await run_in_threadpool(_empty, found)
    return _json({})


def _empty(services: Services) -> None:
    services.stop_work()
    with services.store.transaction():
        services.store.clear()
        for folder in (f for f in services.folder.iterdir() if f.is_dir() and f.name != "tls"):
            shutil.rmtree(folder, ignore_errors=True)
    services.begin_work()


def _timeout(request: Request) -> float:
    return min(float(request.query_params.get("timeout", "0")), LONGEST_WAIT)


def _closed(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Return `handler` behind the control token."""

    async def checked(request: Request) -> Response:
        given, wanted = request.headers.get("authorization", ""), services(request).workspace.control_token
        if not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
            raise GatewayError(401, "Unauthorized", "The control token is missing or wrong.")
        return await handler(request)

    return checked


routes = [
    Route("/_control/faults", _closed(add_fault), methods=["POST"]),
    Route("/_control/faults", _closed(clear_faults), methods=["DELETE"]),
    Route("/_control/scarcities", _closed(add_scarcity), methods=["POST"]),
    Route("/_control/held", _closed(held)),
    Route("/_control/held/{call}", _closed(decide), methods=["POST"]),
    Route("/_control/calls", _closed(calls)),
    Route("/_control/answered", _closed(answered)),
    Route("/_control/clock", _closed(advance), methods=["POST"]),
    Route("/_control/reset", _closed(reset), methods=["POST"]),
]
