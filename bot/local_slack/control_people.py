"""The part of the control plane with which people act and read, under ``/_control/``."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bot.local_slack.control import answer, read_body, routes_of, timeout
from bot.local_slack.errors import SlackError
from bot.local_slack.model import Json, Message
from bot.local_slack.people import Person, find_user
from bot.local_slack.routes.places import message_json
from bot.local_slack.services import Services, services


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


class Suggest(msgspec.Struct, forbid_unknown_fields=True):
    """What a person types into a menu of a view, by action_id or label."""

    user: str
    view_id: str
    menu: str
    typed: str = ""
    values: Json = {}


class Submit(msgspec.Struct, forbid_unknown_fields=True):
    """The modal in front, filled in by label, block_id or action_id."""

    user: str
    values: Json = {}


class Look(msgspec.Struct, forbid_unknown_fields=True):
    """A look at the app's home, on its tab `home` or `messages`; `user` alone closes a modal."""

    user: str
    tab: str = "home"


def _told(found: Services, message: Message) -> Json:
    """Return a message with what only the control plane tells: where it is, its version, and whether it is gone."""
    told = message_json(found, message)
    more = {"channel": message.channel, "version": message.version, "deleted": message.deleted}
    return {**told, **more, "only_for": message.only_for, "streamed": message.stream is not None}


async def say(request: Request) -> Response:
    """POST messages: say something; answers the message."""
    body, found = await read_body(request, Say), services(request)
    person = Person(found, body.user)
    said = person.say(person.channel(body.channel), body.text, body.thread_ts)
    return answer(_told(found, said))


async def run(request: Request) -> Response:
    """POST commands: run a slash command; answers once the app has acknowledged it."""
    body = await read_body(request, Run)
    person = Person(services(request), body.user)
    command, _, text = body.text.strip().partition(" ")
    return answer({"error": await person.run(person.channel(body.channel), command, text.strip(), body.thread_ts)})


async def press(request: Request) -> Response:
    """POST presses: press a button; answers once the app has acknowledged it."""
    body = await read_body(request, Press)
    person = Person(services(request), body.user)
    if body.view_id:
        error = await person.press_in_view(body.view_id, body.button, body.value, body.values)
    else:
        error = await person.press_in_message(person.channel(body.channel), body.ts, body.button, body.value)
    return answer({"error": error})


async def suggest(request: Request) -> Response:
    """POST suggestions: type into a menu; answers the options that the app offers."""
    body = await read_body(request, Suggest)
    person = Person(services(request), body.user)
    return answer({"options": await person.suggest(body.view_id, body.menu, body.typed, body.values)})


async def submit(request: Request) -> Response:
    """POST submissions: submit the modal in front; answers the errors that the person sees."""
    body = await read_body(request, Submit)
    try:
        return answer(await Person(services(request), body.user).submit(body.values))
    except ValueError as error:
        raise SlackError("invalid_option", str(error), status=400) from None


async def close(request: Request) -> Response:
    """POST closings: close the modal in front."""
    return answer({"error": await Person(services(request), (await read_body(request, Look)).user).close()})


async def open_home(request: Request) -> Response:
    """POST home: look at the app's home."""
    body = await read_body(request, Look)
    Person(services(request), body.user).open_home(body.tab)
    return answer({})


async def views(request: Request) -> Response:
    """GET views?user=&since=V&timeout=S: what is on a person's screen, waiting for a change after version V."""
    found = services(request)
    person = Person(found, request.query_params["user"])
    await _changed(request)
    return answer({"version": found.workspace.changes.version, **person.views()})


async def messages(request: Request) -> Response:
    """GET messages?user=&since=V&timeout=S: what a person can read and what changed after version V, waiting for it."""
    found = services(request)
    user = find_user(found, request.query_params["user"]).id
    since = await _changed(request)
    read = [_told(found, message) for message in found.workspace.visible_to(user, since)]
    return answer({"version": found.workspace.changes.version, "messages": read})


async def _changed(request: Request) -> int:
    changes, since = services(request).workspace.changes, int(request.query_params.get("since", "0"))
    if since:
        await changes.wait(lambda: changes.version > since, timeout(request))
    return since


routes = routes_of(
    ("POST", "messages", say),
    ("GET", "messages", messages),
    ("POST", "commands", run),
    ("POST", "presses", press),
    ("POST", "suggestions", suggest),
    ("POST", "submissions", submit),
    ("POST", "closings", close),
    ("POST", "home", open_home),
    ("GET", "views", views),
)
