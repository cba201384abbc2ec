"""What a person asked, from wherever: a slash command, a button, or words said to the bot; and how it is answered.

A request is written down, then acknowledged, then worked on: once, however often Slack delivers it. Whatever goes wrong
is said to the person in the place where they asked; what a dead process left undone is taken up (`bot.recovery`).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.announcer import subject_of
from bot.cards.blocks import Card
from bot.cards.untrusted import mrkdwn
from bot.commands.declaration import Arguments
from bot.conversation import Conversation
from bot.outbox import thread_of
from core.events import SubjectKind
from core.records.tables import Endpoint, Turn
from core.services import Requester, Services

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """Who asks what, and where; `key` is the same when Slack delivers it again.

    `text` is what was typed after the command, or a button's value; `action` is the button's action_id, `called` what
    the person would call what they did. An answer goes to `response_url` when there is
    one, or into the thread `answer_thread`; it is shown to the person alone when `private`. `trigger` lets a modal be
    opened, for three seconds.
    """

    requester: Requester
    key: str
    text: str
    response_url: str = ""
    answer_thread: str = ""
    private: bool = False
    action: str = ""
    called: str = "your message"
    trigger: str = ""


@dataclass(frozen=True)
class Opening:
    """A modal to be shown to who asked (`bot.forms`)."""

    view: Json


Outcome = Card | Opening | None
"""What a person gets to see at once; None: what happened is told by the announcer."""


@dataclass(frozen=True)
class Dependencies:
    """What handlers work with."""

    services: Services
    conversation: Conversation


Handler = Callable[[Request, Arguments, Dependencies], Outcome]
"""Handles a command."""
ButtonHandler = Callable[[Request, Dependencies], Outcome]
"""Handles a button whose value is the request's text."""


def from_command(body: Json) -> Request:
    """Return the request in a slash command's payload."""
    where = Requester(body["user_id"], body["channel_id"], body.get("team_id", ""), body.get("thread_ts", ""))
    key = f"command:{body.get('trigger_id') or body.get('response_url')}"
    called = f"`{body.get('command', '')} …`"
    url = body.get("response_url", "")
    trigger = body.get("trigger_id", "")
    return Request(where, key, body.get("text") or "", response_url=url, private=True, called=called, trigger=trigger)


def from_button(body: Json) -> Request:
    """Return the request in a button's block_actions payload; the thread is that of the message with the button."""
    action, container = body["actions"][0], body.get("container") or {}
    own = "" if container.get("is_ephemeral") else container.get("message_ts", "")
    thread = container.get("thread_ts") or (body.get("message") or {}).get("thread_ts") or own
    user, team = body["user"]["id"], (body.get("team") or {}).get("id", "")
    place = place_of(body.get("view"))
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or place.get("channel", "")
    id_, label = action["action_id"], (action.get("text") or {}).get("text", "")
    key = f"button:{id_}:{action.get('action_ts')}:{user}"
    where = Requester(user, channel, team, thread)
    called, trigger = f"“{mrkdwn(label)}”", body.get("trigger_id", "")
    return Request(where, key, action.get("value") or "", "", thread, True, id_, called, trigger)


def from_submission(body: Json) -> Request:
    """Return the request in a modal's view_submission payload; the modal itself says where it was opened."""
    view, user = body["view"], body["user"]["id"]
    place, title = place_of(view), (view.get("title") or {}).get("text", "")
    where = Requester(user, place.get("channel", ""), (body.get("team") or {}).get("id", ""), place.get("thread", ""))
    key = f"view:{body.get('trigger_id') or view['id']}"
    return Request(where, key, "", answer_thread=where.thread, private=True, called=f"“{mrkdwn(title)}”")


def place_of(view: Json | None) -> Json:
    """Return what one of our views says about where it was opened: `channel`, `thread`, and a form's own `state`."""
    try:
        place = json.loads((view or {}).get("private_metadata") or "{}")
    except ValueError:
        return {}
    return place if isinstance(place, dict) else {}


def from_words(event: Json, team: str, bot_user: str) -> Request:
    """Return the request in a message to the bot; `message` and `app_mention` of one message have the same key."""
    thread = event.get("thread_ts") or ""
    where = Requester(event["user"], event["channel"], event.get("team") or team, thread)
    words = re.sub(rf"<@{bot_user}(\|[^>]*)?>", " ", event.get("text") or "").strip(" \n\t,:")
    return Request(where, f"said:{event['channel']}:{event['ts']}", words, answer_thread=thread or event["ts"])


def to_record(request: Request) -> dict[str, str]:
    """Return what a later process must know of a request; what was typed may hold secrets and stays out."""
    where = request.requester
    return {
        "user": where.user,
        "channel": where.channel,
        "team": where.team,
        "thread": where.thread,
        "answer_thread": request.answer_thread,
        "action": request.action,
        "value": request.text if request.action else "",
        "called": request.called,
    }


def from_record(key: str, record: Json) -> Request:
    """Return the request that was written down, as far as it was."""
    where = Requester(record["user"], record["channel"], record["team"], record["thread"])
    return Request(where, key, record["value"], "", record["answer_thread"], True, record["action"], record["called"])


def thread_subject(request: Request, services: Services) -> tuple[SubjectKind, str] | None:
    """Return the record whose card started the thread that the request comes from; None: there is none."""
    where = request.requester
    return subject_of(thread_of(services.store, where.channel, where.thread))


def subject_id(request: Request, services: Services, kind: SubjectKind) -> str:
    """Return the id of this kind that the thread stands for: its own, or its endpoint's job; empty: none."""
    subject = thread_subject(request, services)
    if subject is None:
        return ""
    if subject[0] is SubjectKind.JOB and kind is SubjectKind.ENDPOINT:
        endpoint = thread_endpoint(request, services)
        return endpoint.id if endpoint is not None else ""
    if subject[0] is SubjectKind.ENDPOINT and kind is SubjectKind.JOB:
        return services.store.get(Endpoint, subject[1]).job_id or ""
    return subject[1] if subject[0] is kind else ""


def thread_endpoint(request: Request, services: Services) -> Endpoint | None:
    """Return the endpoint to talk with in this thread: its own, or the newest of its job; None: there is none.

    In a thread that a question began it is the one that answered there.
    """
    subject = thread_subject(request, services)
    if subject is None:
        here = (Turn.channel == request.requester.channel, Turn.thread == request.requester.thread)
        turns = services.store.find(Turn, *here, limit=1)
        return services.store.get(Endpoint, turns[0].endpoint_id) if turns else None
    if subject[0] is SubjectKind.ENDPOINT:
        return services.store.get(Endpoint, subject[1])
    of_job = (Endpoint.job_id == subject[1], Endpoint.wanted == "up", Endpoint.state != "Gone")
    found = services.store.find(Endpoint, *of_job, limit=1) if subject[0] is SubjectKind.JOB else ()
    return found[0] if found else None
