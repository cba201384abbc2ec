"""The Web API's door: every call passes its record, faults, token, scope and rate limit before its method."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.local_slack.arguments import Arguments, read, token
from bot.local_slack.errors import SlackError, rate_limited, respond
from bot.local_slack.faults import Call, Fault, Kind, Moment
from bot.local_slack.limits import Tier
from bot.local_slack.model import Json
from bot.local_slack.services import Services, services

Effect = Callable[[Services, Arguments], Json]
"""What a method does: given the services and the arguments, returns the answer's fields or raises SlackError."""


@dataclass(frozen=True)
class Method:
    """One Web API method: what it does, how often it may be called, and any one of the scopes that it needs."""

    effect: Effect
    tier: Tier
    scopes: tuple[str, ...] = ()
    app_level: bool = False
    open: bool = False


def check_scope(services: Services, *any_of: str) -> None:
    """Raise missing_scope unless the manifest has one of the scopes."""
    granted = services.manifest.bot_scopes
    if any_of and not granted.intersection(any_of):
        raise SlackError("missing_scope", needed=any_of[0], provided=",".join(sorted(granted)))


def dispatcher(methods: dict[str, Method]) -> Callable[[Request], Awaitable[Response]]:
    """Return the route of /api/{method}."""

    async def call(request: Request) -> Response:
        found, name = services(request), request.path_params["method"]
        try:
            given = await read(request)
        except SlackError as error:
            return respond(error)
        sent = token(request, given)

        def effect() -> Json:
            method = methods.get(name)
            if method is None:
                raise SlackError("unknown_method", req_method=name)
            _admit(found, name, method, sent)
            return method.effect(found, Arguments(given))

        return await perform(request, name, given, effect)

    return call


async def perform(request: Request, name: str, given: Json, effect: Callable[[], Json]) -> Response:
    """Record a call, let it suffer the fault that strikes it, and answer with what `effect` returns or raises."""
    found = services(request)
    recorded = found.faults.received(name, given, found.clock())
    fault = found.faults.take(name)
    if fault and fault.moment is Moment.BEFORE and (struck := await _strike(request, recorded, fault)):
        return struck
    try:
        answer: Response = JSONResponse(body := {"ok": True, **effect()})
    except SlackError as error:
        answer, body = respond(error), error.body()
    if fault and fault.moment is Moment.AFTER and (struck := await _strike(request, recorded, fault)):
        return struck
    recorded.status, recorded.answer = answer.status_code, body
    found.faults.changes.next()
    return answer


def _admit(found: Services, name: str, method: Method, sent: str) -> None:
    identity = found.workspace.identity
    if not method.open:
        if not sent:
            raise SlackError("not_authed")
        if sent not in (identity.bot_token, identity.app_token):
            raise SlackError("invalid_auth")
        if (sent == identity.app_token) != method.app_level:
            raise SlackError("not_allowed_token_type")
    check_scope(found, *method.scopes)
    if seconds := found.rates.retry_after(name, method.tier, found.clock()):
        raise rate_limited(seconds)


async def _strike(request: Request, call: Call, fault: Fault) -> Response | None:
    """Return the response of a call that a fault ends, or None when it goes on."""
    if fault.kind is Kind.HOLD and await services(request).faults.hold(call, fault.moment):
        return None
    errors = {
        Kind.STATUS: SlackError(fault.error, status=fault.status),
        Kind.ERROR: SlackError(fault.error),
        Kind.RATE_LIMITED: rate_limited(fault.retry_after),
    }
    if error := errors.get(fault.kind):
        call.status, call.answer = error.status, error.body()
        return respond(error)
    request.scope["state"]["transport"].abort()
    return Response(status_code=503)
