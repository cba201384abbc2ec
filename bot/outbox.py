"""The one door to Slack for what the bot says by itself: in order, at Slack's pace, and never twice.

A message is a row (`core.records.tables.Message`), written in the transaction that decided to send it. Before a message
is posted for the first time its row becomes `sending`; whatever happens then (a crash, a timeout), the row is in doubt
and the message is looked for in the channel by the key in its metadata before it is sent again. Updating a card is
repeatable and needs none of this: only its last state matters.
"""

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.open_stream import STREAMING
from core.clock import Clock
from core.errors import error_id
from core.records.store import Store
from core.records.tables import Message

METADATA_TYPE = "finetune_bot"
POST_EVERY = timedelta(seconds=1)
"""Slack takes about one message per second and channel (docs.slack.dev/apis/web-api/rate-limits)."""
SLOWEST_RETRY = timedelta(minutes=5)
FOR_NOW = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
_TRANSPORT = (OSError, HTTPException)
_IS_CODE = re.compile("[a-z_]+")
"""Anything else is no answer of Slack's but of something in between."""
_PAGES, _PAGE = 10, 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Post:
    """A message to send or a card to bring up to date: `key` says which; `body` is text and blocks."""

    key: str
    channel: str
    body: Mapping[str, Any]
    parent_key: str = ""
    thread: str = ""
    person: str = ""
    """Who alone sees it: an ephemeral message, which cannot be looked for and is not repeated in doubt."""


def put(session: Session, post: Post) -> None:
    """Write what is to be sent into the transaction; a key already there is a card whose state changed."""
    row = session.scalar(select(Message).where(Message.key == post.key))
    body = dict(post.body)
    if row is None:
        session.add(
            Message(
                key=post.key,
                channel=post.channel,
                parent_key=post.parent_key,
                thread=post.thread,
                person=post.person,
                body=body,
            )
        )
    elif row.body != body:
        row.body, row.wanted_revision = body, row.wanted_revision + 1
        if row.state == "refused":
            row.state = "waiting"  # somebody may have invited the bot meanwhile


class Outbox:
    """Sends what the rows ask for; used by one thread of one process at a time."""

    def __init__(
        self, store: Store, client: WebClient, clock: Clock, card_every: timedelta, refused: Callable[[Message], None]
    ) -> None:
        """`refused` hears of a message that Slack does not take for good."""
        self._on_refused = refused
        self._store = store
        self._client = client
        self._clock = clock
        self._card_every = card_every
        self._paused: dict[str, datetime] = {}
        """Until when Slack wants no more: by channel for posts, by method for updates."""

    def deliver_once(self) -> float | None:
        """Send everything that is due; return the seconds until more is due, None when nothing waits."""
        waiting: list[datetime] = []
        blocked: set[str] = set()
        for row in self._unsent():
            ready_at = self._ready_at(row)
            if not row.ts and row.channel in blocked:
                continue
            if ready_at <= self._clock():
                self._deliver(row)
                row = self._again(row)
                ready_at = self._ready_at(row)
            if row.state != "refused" and row.sent_revision < row.wanted_revision:
                waiting.append(ready_at)
                if not row.ts:
                    blocked.add(row.channel)
        return max(0.0, (min(waiting) - self._clock()).total_seconds()) if waiting else None

    def _unsent(self) -> list[Message]:
        """Return the rows with something to send, oldest first."""
        behind = (Message.wanted_revision > Message.sent_revision, Message.state != "refused")
        return list(self._store.find(Message, *behind, newest_first=False, limit=200))

    def _ready_at(self, row: Message) -> datetime:
        """Return when Slack and our own pace allow `row` to be sent."""
        now = self._clock()
        return max(row.next_at or now, self._paused.get("chat.update" if row.ts else row.channel, now))

    def _deliver(self, row: Message) -> None:
        """Send one row, after making sure that a row in doubt was not sent already."""
        try:
            if row.ts:
                self._update(row)
            elif row.state == "sending" and row.person:
                self._sent(row, "", row.wanted_revision)
            elif row.state != "sending" or not self._found(row):
                self._post(row)
        except SlackApiError as refusal:
            self._refused(row, refusal)
        except SlackClientError:
            # Nothing went out: the message itself cannot be sent, now or later.
            id_ = error_id()
            log.exception("Unexpected error %s: message %s cannot be sent", id_, row.key)
            self._write(row, state="refused", error=f"unexpected error {id_}")
        except _TRANSPORT as failure:
            log.warning("Slack did not answer for message %s: %s", row.key, type(failure).__name__)
            self._write(row, next_at=self._retry_at(row), attempts=row.attempts + 1)

    def _post(self, row: Message) -> None:
        thread = self._thread(row)
        self._write(row, state="sending", sent_at=self._clock())
        where: dict[str, Any] = {"channel": row.channel, "thread_ts": thread or None, "parse": "none"}
        if row.person:
            ts = self._client.chat_postEphemeral(user=row.person, **where, **row.body)["message_ts"]
        else:
            quiet: dict[str, Any] = {"unfurl_links": False, "unfurl_media": False, "metadata": _metadata(row.key)}
            ts = self._client.chat_postMessage(**where, **quiet, **row.body)["ts"]
        self._paused[row.channel] = self._clock() + POST_EVERY
        self._sent(row, str(ts), row.wanted_revision)

    def _update(self, row: Message) -> None:
        if row.state == STREAMING:
            with suppress(SlackApiError):  # it may have ended by itself
                self._client.chat_stopStream(channel=row.channel, ts=row.ts)
        self._client.chat_update(channel=row.channel, ts=row.ts, metadata=_metadata(row.key), parse="none", **row.body)
        self._sent(row, row.ts, row.wanted_revision)

    def _sent(self, row: Message, ts: str, revision: int) -> None:
        now = self._clock()
        self._write(
            row,
            state="sent",
            ts=ts,
            sent_revision=revision,
            sent_at=now,
            attempts=0,
            next_at=now + self._card_every,
            error="",
        )

    def _found(self, row: Message) -> bool:
        """Look in Slack for a message that may have been posted before a crash; note it when it was."""
        thread = self._thread(row)
        newest = self._store.find(
            Message, Message.channel == row.channel, Message.ts != "", Message.id < row.id, limit=1_000
        )
        # In one channel messages go out in order, so that this one is newer than any that was sent before it.
        page: dict[str, Any] = {
            "channel": row.channel,
            "limit": _PAGE,
            "include_all_metadata": True,
            "oldest": max((earlier.ts for earlier in newest), default="0"),
        }
        for _ in range(_PAGES):
            if thread:
                answer = self._client.conversations_replies(ts=thread, **page)
            else:
                answer = self._client.conversations_history(**page)
            for message in answer.get("messages") or []:
                if _key_of(message) == row.key:
                    self._sent(row, str(message["ts"]), 1)
                    return True
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
            page["cursor"] = cursor
        return False

    def _refused(self, row: Message, refusal: SlackApiError) -> None:
        """Note why Slack did not take a message: for now, or for good."""
        code = str(refusal.response.get("error", "unknown"))[:200]
        if refusal.response.status_code == 429 or code in ("ratelimited", "rate_limited"):
            headers = {name.lower(): value for name, value in refusal.response.headers.items()}
            seconds = float(headers.get("retry-after", 1))
            self._paused["chat.update" if row.ts else row.channel] = self._clock() + timedelta(seconds=seconds)
            self._write(row, **({} if row.ts else {"state": "waiting"}), error=code)
        elif code in FOR_NOW or refusal.response.status_code >= 500 or not _IS_CODE.fullmatch(code):
            self._write(row, next_at=self._retry_at(row), attempts=row.attempts + 1, error=code)
        else:
            log.error("Slack refused message %s in %s: %s", row.key, row.channel, code)
            self._write(row, state="refused", error=code)
            self._on_refused(self._again(row))

    def _retry_at(self, row: Message) -> datetime:
        return self._clock() + min(SLOWEST_RETRY, timedelta(seconds=2 ** min(row.attempts, 10)))

    def _thread(self, row: Message) -> str:
        """Return the ts of the thread that `row` belongs into; empty: the channel itself."""
        if not row.parent_key:
            return row.thread
        parents = self._store.find(Message, Message.key == row.parent_key, limit=1)
        return parents[0].ts if parents else ""

    def _again(self, row: Message) -> Message:
        return self._store.find(Message, Message.id == row.id, limit=1)[0]

    def _write(self, row: Message, **values: Any) -> None:
        with self._store.transaction() as session:
            session.execute(update(Message).where(Message.id == row.id).values(**values))


def thread_of(store: Store, channel: str, ts: str) -> str:
    """Return the key of our message that starts the thread `ts` of `channel`; empty when it is not ours."""
    found = store.find(Message, Message.channel == channel, Message.ts == ts, limit=1) if ts else []
    return found[0].key if found else ""


def waiting(session: Session) -> int:
    """Return how many messages are still to be sent."""
    behind = (Message.wanted_revision > Message.sent_revision, Message.state != "refused")
    return session.scalar(select(func.count()).select_from(Message).where(*behind)) or 0


def _metadata(key: str) -> dict[str, Any]:
    return {"event_type": METADATA_TYPE, "event_payload": {"key": key}}


def _key_of(message: Mapping[str, Any]) -> str:
    """Return the delivery key in a message's metadata; empty when it has none of ours."""
    metadata = message.get("metadata") or {}
    return (
        str((metadata.get("event_payload") or {}).get("key", "")) if metadata.get("event_type") == METADATA_TYPE else ""
    )
