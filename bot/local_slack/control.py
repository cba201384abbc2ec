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
from bot.local_slack.model import Json, Message
from bot.local_slack.people import Person, find_user
from bot.local_slack.routes.places import message_json
from bot.local_slack.services import Services, services
from bot.local_slack.state import PEOPLE

Body = TypeVar("Body", bound=msgspec.Struct)
LONGEST_WAIT = 60.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Say(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says; without a channel it is said to the app directly."""

    user: str
    text: str
    channel: str = ""
    thread_ts: str | None = None


class Run(msgspec.Struct, forbid_unknown_fields=True):
    """A slash command as typed, its arguments included."""

    user: str
    text: str
    channel: str = ""
    thread_ts: str | None = None


class Press(msgspec.Struct, forbid_unknown_fields=True):
    """A press of a button, by action_id or label, in a message (`channel` and `ts`) or in a view."""

    user: str
    button: str
    channel: str = ""
    ts: str = ""
    view_id: str = ""
    value: str | None = None
    values: Json = {}


class Submit(msgspec.Struct, forbid_unknown_fields=True):
    """The modal in front, filled in by label, block_id or action_id."""

    user: str
    values: Json = {}


class Look(msgspec.Struct, forbid_unknown_fields=True):
    """A look at the app's home, on its tab `home` or `messages`; `user` alone closes a modal."""

    user: str
    tab: str = "home"


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


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _read(request: Request, type: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body(), type=type)
    except msgspec.ValidationError as error:
        raise SlackError("invalid_arguments", str(error), status=400) from None


def _timeout(request: Request) -> float:
    return min(float(request.query_params.get("timeout", "0")), LONGEST_WAIT)


def _told(found: Services, message: Message) -> Json:
    """Return a message with what only the control plane tells: where it is, its version, and whether it is gone."""
    told = message_json(found, message)
    more = {"channel": message.channel, "version": message.version, "deleted": message.deleted}
    return {**told, **more, "only_for": message.only_for, "streamed": message.stream is not None}


async def say(request: Request) -> Response:
    """POST messages: say something; answers the message."""
    body, found = await _read(request, Say), services(request)
    person = Person(found, body.user)
    said = person.say(person.channel(body.channel), body.text, body.thread_ts)
    return _json(_told(found, said))


async def run(request: Request) -> Response:
    """POST commands: run a slash command; answers once the app has acknowledged it."""
    body = await _read(request, Run)
    person = Person(services(request), body.user)
    command, _, text = body.text.strip().partition(" ")
    return _json({"error": await person.run(person.channel(body.channel), command, text.strip(), body.thread_ts)})


async def press(request: Request) -> Response:
    """POST presses: press a button; answers once the app has acknowledged it."""
    body = await _read(request, Press)
    person = Person(services(request), body.user)
    if body.view_id:
        error = await person.press_in_view(body.view_id, body.button, body.value, body.values)
    else:
        error = await person.press_in_message(person.channel(body.channel), body.ts, body.button, body.value)
    return _json({"error": error})


async def submit(request: Request) -> Response:
    """POST submissions: submit the modal in front; answers the errors that the person sees."""
    body = await _read(request, Submit)
    try:
        return _json(await Person(services(request), body.user).submit(body.values))
    except ValueError as error:
        raise SlackError("invalid_option", str(error), status=400) from None


async def close(request: Request) -> Response:
    """POST closings: close the modal in front."""
    return _json({"error": await Person(services(request), (await _read(request, Look)).user).close()})


async def open_home(request: Request) -> Response:
    """POST home: look at the app's home."""
    body = await _read(request, Look)
    Person(services(request), body.user).open_home(body.tab)
    return _json({})


async def views(request: Request) -> Response:
    """GET views?user=&since=V&timeout=S: what is on a person's screen, waiting for a change after version V."""
    found = services(request)
    person = Person(found, request.query_params["user"])
    await _changed(request)
    return _json({"version": found.workspace.changes.version, **person.views()})


async def messages(request: Request) -> Response:
    """GET messages?user=&since=V&timeout=S: what a person can read and what changed after version V, waiting for it."""
    found = services(request)
    user = find_user(found, request.query_params["user"]).id
    since = await _changed(request)
    read = [_told(found, message) for message in found.workspace.visible_to(user, since)]
    return _json({"version": found.workspace.changes.version, "messages": read})


async def _changed(request: Request) -> int:
    changes, since = services(request).workspace.changes, int(request.query_params.get("since", "0"))
    if since:
        await changes.wait(lambda: changes.version > since, _timeout(request))
    return since


async def workspace(request: Request) -> Response:
    """GET workspace: the team, its people and channels, the app and its commands, and what it says about threads."""
    found = services(request)
    state = found.workspace
    bot = state.identity.bot_user_id
    return _json(
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
    body, state = await _read(request, NewChannel), services(request).workspace
    if any(channel.name == body.name for channel in state.channels.values()):
        raise SlackError("name_taken", status=400)
    members = [user.id for user in PEOPLE] + ([state.identity.bot_user_id] if body.invite_app else [])
    return _json({"id": state.add_channel(body.name, members, private=body.private).id})


async def connections(request: Request) -> Response:
    """GET connections?atleast=N&atmost=N&timeout=S: how many WebSockets the app has open, waiting until so many."""
    sockets, query = services(request).sockets, request.query_params
    fewest, most = int(query.get("atleast", "0")), int(query.get("atmost", "10"))
    await sockets.changes.wait(lambda: fewest <= len(sockets) <= most, _timeout(request))
    return _json({"connections": len(sockets)})


async def deliveries(request: Request) -> Response:
    """GET deliveries?outcome=&atleast=N&timeout=S: the events brought to the app, waiting for N of them."""
    delivery, query = services(request).delivery, request.query_params
    pattern = re.compile(query.get("outcome", ".*"))

    def matching() -> list[Attempt]:
        return [attempt for attempt in delivery.attempts if pattern.fullmatch(attempt.outcome)]

    await delivery.changes.wait(lambda: len(matching()) >= int(query.get("atleast", "0")), _timeout(request))
    return _json(matching())


async def connect(request: Request) -> Response:
    """PUT connections: deliver to a request URL, or by Socket Mode again."""
    services(request).delivery.set_request_url((await _read(request, Connection)).request_url)
    return _json({})


async def disconnect(request: Request) -> Response:
    """DELETE connections: end the app's WebSockets."""
    sockets = services(request).sockets
    await (sockets.refresh() if (await _read(request, Disconnect)).polite else sockets.drop())
    return _json({})


async def add_fault(request: Request) -> Response:
    """POST faults: put a `Fault` into force."""
    try:
        services(request).faults.add(await _read(request, Fault))
    except re.error as error:
        raise SlackError("invalid_arguments", f"not a regular expression: {error}", status=400) from None
    return _json({})


async def clear_faults(request: Request) -> Response:
    """DELETE faults: forget all faults and calls, and release what is held."""
    services(request).faults.clear()
    return _json({})


async def held(request: Request) -> Response:
    """GET held?timeout=S: the calls being held, waiting until there is one."""
    faults = services(request).faults
    await faults.changes.wait(lambda: bool(faults.held()), _timeout(request))
    return _json(faults.held())


async def decide(request: Request) -> Response:
    """POST held/{call}: release or drop a held call."""
    release = (await _read(request, Decision)).release
    if not services(request).faults.decide(request.path_params["call"], release=release):
        raise SlackError("call_not_held", status=404)
    return _json({})


async def calls(request: Request) -> Response:
    """GET calls?method=&atleast=N&answered=true&timeout=S: the calls received, oldest first, waiting for N of them."""
    faults, query = services(request).faults, request.query_params
    pattern, answered = re.compile(query.get("method", ".*")), query.get("answered") == "true"

    def matching() -> list[Call]:
        return [c for c in faults.calls if pattern.fullmatch(c.method) and (c.status or not answered)]

    await faults.changes.wait(lambda: len(matching()) >= int(query.get("atleast", "0")), _timeout(request))
    return _json(matching())


async def advance(request: Request) -> Response:
    """POST clock: move the clock forward; answers the new time."""
    clock = services(request).clock
    clock.advance(timedelta(seconds=(await _read(request, Advance)).seconds))
    return _json({"now": clock()})


async def reset(request: Request) -> Response:
    """POST reset: an empty workspace as on its first day; tokens, connections and the time stay."""
    found = services(request)
    found.faults.clear()
    found.delivery.forget()
    found.rates.clear()
    found.workspace.reset()
    return _json({})


Handler = Callable[[Request], Awaitable[Response]]


def _closed(handler: Handler) -> Handler:
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


_HANDLERS: list[tuple[str, str, Handler]] = [
    ("POST", "messages", say),
    ("GET", "messages", messages),
    ("POST", "commands", run),
    ("POST", "presses", press),
    ("POST", "submissions", submit),
    ("POST", "closings", close),
    ("POST", "home", open_home),
    ("GET", "views", views),
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
]
routes = [Route(f"/_control/{path}", _closed(handler), methods=[verb]) for verb, path, handler in _HANDLERS]
