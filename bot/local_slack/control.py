"""The plane for tests, demos and the page, under ``/_control/``: not part of Slack, closed without the control token.

It answers only this machine: a request whose Host or Origin is another name is refused, so that no web page can reach
it through the person's browser.
"""

import hmac
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.local_slack import wire
from bot.local_slack.delivery import Attempt
from bot.local_slack.errors import SlackError, respond
from bot.local_slack.faults import Call, Fault
from bot.local_slack.services import services
from bot.local_slack.state import PEOPLE

Body = TypeVar("Body", bound=msgspec.Struct)
LONGEST_WAIT = 60.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NewChannel(msgspec.Struct, forbid_unknown_fields=True):
    """A channel that somebody creates, with everyone in it and, when `invite_app`, the app."""

    name: str
    private: bool = False
    invite_app: bool = True


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """How far to move the clock."""

    seconds: float


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a held call goes on or is cut off."""

    release: bool


class Connection(msgspec.Struct, forbid_unknown_fields=True):
    """How the app is reached: `request_url` for HTTP, empty for Socket Mode."""

    request_url: str


class Disconnect(msgspec.Struct, forbid_unknown_fields=True):
    """How its WebSockets end: asked to connect anew (`polite`), or without a word."""

    polite: bool = True


def answer(value: object) -> Response:
    """Return any value as a JSON response."""
    return Response(msgspec.json.encode(value), media_type="application/json")


async def read_body(request: Request, type: type[Body]) -> Body:
    """Return a request's body; raises invalid_arguments."""
    try:
        return msgspec.json.decode(await request.body(), type=type)
    except msgspec.ValidationError as error:
        raise SlackError("invalid_arguments", str(error), status=400) from None


def timeout(request: Request) -> float:
    """Return the seconds that a request is willing to wait."""
    return min(float(request.query_params.get("timeout", "0")), LONGEST_WAIT)


async def workspace(request: Request) -> Response:
    """GET workspace: the team, its people and channels, the app and its commands, and what it says about threads."""
    found = services(request)
    state = found.workspace
    bot = state.identity.bot_user_id
    return answer(
        {
            "team_id": state.identity.team_id,
            "bot_user_id": bot,
            "now": found.clock(),
            "version": state.changes.version,
            "commands": found.manifest.commands,
            "connections": len(found.sockets),
            "unacknowledged": found.delivery.unacknowledged,
            "users": [wire.user(user, state.identity) for user in state.users.values()],
            "channels": [{**wire.channel(c, bot), "members": c.members} for c in state.channels.values()],
            "statuses": list(state.statuses.values()),
        }
    )


async def add_channel(request: Request) -> Response:
    """POST channels: create a channel; answers its id."""
    body, state = await read_body(request, NewChannel), services(request).workspace
    if any(channel.name == body.name for channel in state.channels.values()):
        raise SlackError("name_taken", status=400)
    members = [user.id for user in PEOPLE] + ([state.identity.bot_user_id] if body.invite_app else [])
    return answer({"id": state.add_channel(body.name, members, private=body.private).id})


async def connections(request: Request) -> Response:
    """GET connections?atleast=N&atmost=N&timeout=S: how many WebSockets the app has open, waiting until so many."""
    sockets, query = services(request).sockets, request.query_params
    fewest, most = int(query.get("atleast", "0")), int(query.get("atmost", "10"))
    await sockets.changes.wait(lambda: fewest <= len(sockets) <= most, timeout(request))
    return answer({"connections": len(sockets)})


async def deliveries(request: Request) -> Response:
    """GET deliveries?outcome=&atleast=N&timeout=S: the events brought to the app, waiting for N of them."""
    delivery, query = services(request).delivery, request.query_params
    pattern = re.compile(query.get("outcome", ".*"))

    def matching() -> list[Attempt]:
        return [attempt for attempt in delivery.attempts if pattern.fullmatch(attempt.outcome)]

    await delivery.changes.wait(lambda: len(matching()) >= int(query.get("atleast", "0")), timeout(request))
    return answer(matching())


async def connect(request: Request) -> Response:
    """PUT connections: deliver to a request URL, or by Socket Mode again."""
    services(request).delivery.set_request_url((await read_body(request, Connection)).request_url)
    return answer({})


async def disconnect(request: Request) -> Response:
    """DELETE connections: end the app's WebSockets."""
    sockets = services(request).sockets
    await (sockets.refresh() if (await read_body(request, Disconnect)).polite else sockets.drop())
    return answer({})


async def add_fault(request: Request) -> Response:
    """POST faults: put a `Fault` into force."""
    try:
        services(request).faults.add(await read_body(request, Fault))
    except re.error as error:
        raise SlackError("invalid_arguments", f"not a regular expression: {error}", status=400) from None
    return answer({})


async def clear_faults(request: Request) -> Response:
    """DELETE faults: forget all faults and calls, and release what is held."""
    services(request).faults.clear()
    return answer({})


async def held(request: Request) -> Response:
    """GET held?timeout=S: the calls being held, waiting until there is one."""
    faults = services(request).faults
    await faults.changes.wait(lambda: bool(faults.held()), timeout(request))
    return answer(faults.held())


async def decide(request: Request) -> Response:
    """POST held/{call}: release or drop a held call."""
    release = (await read_body(request, Decision)).release
    if not services(request).faults.decide(request.path_params["call"], release=release):
        raise SlackError("call_not_held", status=404)
    return answer({})


async def calls(request: Request) -> Response:
    """GET calls?method=&atleast=N&answered=true&timeout=S: the calls received, oldest first, waiting for N of them."""
    faults, query = services(request).faults, request.query_params
    pattern, answered = re.compile(query.get("method", ".*")), query.get("answered") == "true"

    def matching() -> list[Call]:
        return [c for c in faults.calls if pattern.fullmatch(c.method) and (c.status or not answered)]

    await faults.changes.wait(lambda: len(matching()) >= int(query.get("atleast", "0")), timeout(request))
    return answer(matching())


async def advance(request: Request) -> Response:
    """POST clock: move the clock forward; answers the new time."""
    clock = services(request).clock
    clock.advance(timedelta(seconds=(await read_body(request, Advance)).seconds))
    return answer({"now": clock()})


async def reset(request: Request) -> Response:
    """POST reset: an empty workspace as on its first day; tokens, connections and the time stay."""
    found = services(request)
    found.faults.clear()
    found.delivery.forget()
    found.rates.clear()
    found.workspace.reset()
    return answer({})


Handler = Callable[[Request], Awaitable[Response]]


def closed(handler: Handler) -> Handler:
    """Return `handler` behind the control token and for this machine only."""

    async def checked(request: Request) -> Response:
        origin = request.headers.get("origin")
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        if host not in LOOPBACK or (origin is not None and urlsplit(origin).hostname not in LOOPBACK):
            return respond(SlackError("forbidden_origin", status=403))
        given, wanted = request.headers.get("authorization", ""), services(request).workspace.identity.control_token
        if not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
            return respond(SlackError("invalid_control_token", status=401))
        try:
            return await handler(request)
        except SlackError as error:
            error.status = max(error.status, 400)
            return respond(error)

    return checked


def routes_of(*handlers: tuple[str, str, Handler]) -> list[Route]:
    """Return the routes of handlers, each with its verb and path, all behind the control token."""
    return [Route(f"/_control/{path}", closed(handler), methods=[verb]) for verb, path, handler in handlers]


routes = routes_of(
    ("GET", "workspace", workspace),
    ("POST", "channels", add_channel),
    ("GET", "connections", connections),
    ("GET", "deliveries", deliveries),
    ("PUT", "connections", connect),
    ("DELETE", "connections", disconnect),
    ("POST", "faults", add_fault),
    ("DELETE", "faults", clear_faults),
    ("GET", "held", held),
    ("POST", "held/{call}", decide),
    ("GET", "calls", calls),
    ("POST", "clock", advance),
    ("POST", "reset", reset),
)
