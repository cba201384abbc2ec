"""What a person asked, from wherever: a slash command, a button, or words said to the bot; and how it is answered.

A request is written down, then acknowledged, then worked on: once, however often Slack delivers it. Whatever goes wrong
is said to the person in the place where they asked; what a dead process left undone is taken up (`bot.recovery`).
"""

import errno
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.webhook import WebhookClient
from sqlalchemy.exc import SQLAlchemyError

from bot.announcer import subject_of
from bot.cards.blocks import Card
from bot.cards.error import error_card, unexpected_card
from bot.cards.untrusted import mrkdwn
from bot.commands.declaration import Arguments
from bot.conversation import Conversation
from bot.outbox import thread_of
from core.errors import UserError, error_id
from core.events import SubjectKind
from core.mishaps import refused_by_system
from core.records.deliveries import Deliveries
from core.records.tables import Endpoint, Turn
from core.services import Requester, Services

Json = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """Who asks what, and where; `key` is the same when Slack delivers it again.

    `text` is what was typed after the command, or a button's value; `action` is the button's action_id, `called` what
    the person would call what they did. An answer goes to `response_url` when there is
    one, or into the thread `answer_thread`; it is shown to the person alone when `private`.
    """

    requester: Requester
    key: str
    text: str
    response_url: str = ""
    answer_thread: str = ""
    private: bool = False
    action: str = ""
    called: str = "your message"


@dataclass(frozen=True)
class Dependencies:
    """What handlers work with."""

    services: Services
    conversation: Conversation


Handler = Callable[[Request, Arguments, Dependencies], Card | None]
"""Handles a command; the card goes to who asked. None: what happened is told by the announcer."""
ButtonHandler = Callable[[Request, Dependencies], Card | None]
"""Handles a button whose value is the request's text."""


def from_command(body: Json) -> Request:
    """Return the request in a slash command's payload."""
    where = Requester(body["user_id"], body["channel_id"], body.get("team_id", ""), body.get("thread_ts", ""))
    key = f"command:{body.get('trigger_id') or body.get('response_url')}"
    called = f"`{body.get('command', '')} …`"
    url = body.get("response_url", "")
    return Request(where, key, body.get("text") or "", response_url=url, private=True, called=called)


def from_button(body: Json) -> Request:
    """Return the request in a button's block_actions payload; the thread is that of the message with the button."""
    action, container = body["actions"][0], body.get("container") or {}
    own = "" if container.get("is_ephemeral") else container.get("message_ts", "")
    thread = container.get("thread_ts") or (body.get("message") or {}).get("thread_ts") or own
    user, team = body["user"]["id"], (body.get("team") or {}).get("id", "")
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id", "")
    id_, label = action["action_id"], (action.get("text") or {}).get("text", "")
    key = f"button:{id_}:{action.get('action_ts')}:{user}"
    where = Requester(user, channel, team, thread)
    return Request(where, key, action.get("value") or "", "", thread, True, id_, f"“{mrkdwn(label)}”")


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


class Desk:
    """Takes requests on, one worker thread each, and answers them."""

    def __init__(self, deliveries: Deliveries, client: WebClient, workers: Executor, wake: Callable[[], None]) -> None:
        self._deliveries = deliveries
        self._client = client
        self._workers = workers
        self._wake = wake

    def note(self, request: Request) -> bool:
        """Write a request down before it is acknowledged; False: it was brought before, and is not to be taken."""
        return self._deliveries.take(request.key, to_record(request))

    def take(self, request: Request, work: Callable[[], Card | None]) -> None:
        """Do `work` of a request that was noted in a worker thread; returns at once."""
        self._workers.submit(self._do, request, work)

    def _do(self, request: Request, work: Callable[[], Card | None]) -> None:
        card = self._outcome(request, work)
        if card is not None:
            self._answer(request, card)
        try:
            self._deliveries.done(request.key)
        except SQLAlchemyError:
            log.exception("Unexpected error %s: %s is done and not marked so", error_id(), request.key)
        self._wake()

    def _outcome(self, request: Request, work: Callable[[], Card | None]) -> Card | None:
        try:
            return work()
        except UserError as error:
            log.info("Refused %s of %s: %s", request.key, request.requester.user, type(error).__name__)
            return error_card(error)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                return error_card(refused_by_system(error))
            id_ = error_id()
            log.exception("Unexpected error %s in %s of %s", id_, request.key, request.requester.user)
            return unexpected_card(id_)

    def _answer(self, request: Request, card: Card) -> None:
        """Show `card` where the person asked; a closed response_url falls back to an ephemeral message."""
        try:
            if request.response_url and self._responded(request.response_url, card):
                return
            where: dict[str, Any] = {"channel": request.requester.channel, "thread_ts": request.answer_thread or None}
            if request.private:
                self._client.chat_postEphemeral(user=request.requester.user, **where, **card.message())
            else:
                self._client.chat_postMessage(**where, **card.message(), unfurl_links=False, unfurl_media=False)
        except (SlackClientError, OSError) as error:
            reason = error.response.get("error", "") if hasattr(error, "response") else ""
            log.warning("Slack did not take the answer to %s: %s %s", request.key, type(error).__name__, reason)

    def _responded(self, url: str, card: Card) -> bool:
        answer = WebhookClient(url, timeout=10).send(
            text=card.text,
            blocks=list(card.blocks),
            response_type="ephemeral",
            replace_original=False,
            unfurl_links=False,
            unfurl_media=False,
        )
        return answer.status_code == 200


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
