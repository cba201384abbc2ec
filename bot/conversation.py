"""Talking with a deployed model in a thread: the question, the conversation so far, the answer streamed as it comes."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.cards.blocks import Card, section
from bot.cards.untrusted import ELLIPSIS, clip, mrkdwn, neutralise
from bot.open_stream import OpenStream, split_for_update
from core.events import SubjectKind
from core.operations.query_endpoint import ChatMessage, Sampling, stream_answer
from core.records.tables import Endpoint, Message, Turn
from core.services import Requester, Services

MAX_ANSWER = 11_000
"""Characters; a message's Markdown may have 12,000 (docs.slack.dev/reference/methods/chat.startStream)."""
FLUSH_EVERY = 0.7
"""Seconds; chat.appendStream is a tier 4 method, about 100 calls a minute."""
CHARACTERS_PER_TOKEN = 3
CONTEXT_LENGTH = 2_048
"""Tokens a model is taken to read when nobody knows."""
MAX_TURNS = 40
EMPTY_ANSWER = "_The model gave an empty answer._"

log = logging.getLogger(__name__)


class Conversation:
    """Answers questions with deployed models."""

    def __init__(self, services: Services, client: WebClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._client = client
        self._monotonic = monotonic

    def answer(
        self, requester: Requester, thread: str, endpoint: Endpoint, question: str, sampling: Sampling | None = None
    ) -> None:
        """Stream the model's answer into `thread`, and remember both turns.

        Raises UserError when the endpoint cannot be asked or stops answering; what it said until then stays.
        """
        question = question.strip()
        messages = [*self._so_far(requester.channel, thread, endpoint), ChatMessage("user", question)]
        self._thinking(requester.channel, thread)
        pieces = stream_answer(self._services, endpoint.id, messages, sampling, requester.user)
        open_stream = OpenStream(self._services.store, self._services.clock, requester.channel, thread)
        answer = StreamedAnswer(self._client, requester, thread, open_stream, self._monotonic).show(pieces)
        self._remember(requester, thread, endpoint, question, answer)

    def ask_aloud(
        self, requester: Requester, endpoint: Endpoint, question: str, sampling: Sampling | None = None
    ) -> None:
        """Repeat in the channel a question that only the person sees so far, and answer it in a thread of its own.

        The question stands by itself: the model is told nothing of other conversations.
        """
        said = f"<@{requester.user}> asks {mrkdwn(endpoint.id)}: {mrkdwn(question, 2_000)}"
        posted = self._client.chat_postMessage(
            channel=requester.channel,
            unfurl_links=False,
            unfurl_media=False,
            **Card.of(said, [section(said)]).message(),
        )
        self.answer(requester, str(posted["ts"]), endpoint, question, sampling)

    def show(self, requester: Requester, endpoint: Endpoint, card: Card) -> str:
        """Post a card in the endpoint's thread, or in the channel when the endpoint is elsewhere; return the thread."""
        thread = requester.thread or self.thread_of(endpoint, requester.channel)
        posted = self._client.chat_postMessage(
            channel=requester.channel,
            thread_ts=thread or None,
            unfurl_links=False,
            unfurl_media=False,
            **card.message(),
        )
        return thread or str(posted["ts"])

    def thread_of(self, endpoint: Endpoint, channel: str) -> str:
        """Return the ts of the endpoint's card in `channel`; empty when it is elsewhere."""
        key = f"{SubjectKind.ENDPOINT}:{endpoint.id}:card"
        found = self._services.store.find(Message, Message.key == key, Message.channel == channel, limit=1)
        return found[0].ts if found else ""

    def _so_far(self, channel: str, thread: str, endpoint: Endpoint) -> Sequence[ChatMessage]:
        """Return the turns before this one, the oldest left out when the model could not read them all."""
        here = (Turn.channel == channel, Turn.thread == thread, Turn.endpoint_id == endpoint.id)
        turns = self._services.store.find(Turn, *here, limit=MAX_TURNS)
        room = ((endpoint.context_length or CONTEXT_LENGTH) - Sampling().max_new_tokens) * CHARACTERS_PER_TOKEN // 2
        kept: list[ChatMessage] = []
        for turn in turns:
            room -= len(turn.text)
            if room < 0:
                break
            kept.append(ChatMessage(turn.role, turn.text))
        if kept and kept[-1].role == "assistant":
            kept.pop()  # a conversation starts with a question
        return kept[::-1]

    def _remember(self, requester: Requester, thread: str, endpoint: Endpoint, question: str, answer: str) -> None:
        where = {
            "channel": requester.channel,
            "thread": thread,
            "endpoint_id": endpoint.id,
            "at": self._services.clock(),
        }
        with self._services.store.transaction() as session:
            session.add(Turn(role="user", text=question, person=requester.user, **where))
            session.flush()
            session.add(Turn(role="assistant", text=answer, **where))

    def _thinking(self, channel: str, thread: str) -> None:
        """Show that an answer is coming; a workspace without assistants shows nothing."""
        with suppress(SlackClientError, OSError):
            self._client.assistant_threads_setStatus(channel_id=channel, thread_ts=thread, status="is thinking…")


class StreamedAnswer:
    """One answer, shown while it is being made; the whole text is kept here in case Slack ends the stream."""

    def __init__(
        self,
        client: WebClient,
        requester: Requester,
        thread: str,
        open_stream: OpenStream,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._open_stream = open_stream
        self._channel = requester.channel
        self._thread = thread
        self._monotonic = monotonic
        self._requester = requester
        self._ts = ""
        self._sent = 0
        self._ended_by_slack = False

    def show(self, pieces: Iterator[str]) -> str:
        """Show the pieces as they come and return the whole text as the model gave it."""
        text, flushed_at = "", float("-inf")
        try:
            for piece in pieces:
                text += piece
                now = self._monotonic()
                if now - flushed_at >= FLUSH_EVERY:
                    self._flush(_shown(text))
                    flushed_at = now
                if len(text) > MAX_ANSWER:
                    break
        except BaseException:
            if text.strip():
                self._finish(text)
                self._open_stream.ended()
            raise
        self._finish(text)
        self._open_stream.ended()
        return text

    def _flush(self, shown: str) -> None:
        """Send what Slack does not have yet."""
        if len(shown) == self._sent or self._ended_by_slack:
            return
        try:
            self._append(shown[self._sent :])
        except (SlackApiError, OSError) as refusal:
            log.warning("Slack ended a stream: %s", refusal)
            self._ended_by_slack = True
        else:
            self._sent = len(shown)
            self._open_stream.shows(self._ts, shown)

    def _append(self, text: str) -> None:
        """Open the stream with `text`, or add it."""
        if self._ts:
            self._client.chat_appendStream(channel=self._channel, ts=self._ts, markdown_text=text)
            return
        opened = self._client.chat_startStream(
            channel=self._channel,
            thread_ts=self._thread,
            markdown_text=text,
            recipient_team_id=self._requester.team or None,
            recipient_user_id=self._requester.user,
        )
        self._ts = str(opened["ts"])

    def _finish(self, text: str) -> None:
        """End the stream; when Slack has ended it before, show the whole text by other means."""
        shown = _shown(text) or EMPTY_ANSWER
        if not self._ts:
            self._flush(shown)
        if not self._ended_by_slack:
            try:
                self._client.chat_stopStream(
                    channel=self._channel, ts=self._ts, markdown_text=shown[self._sent :] or None
                )
            except (SlackApiError, OSError) as refusal:
                log.warning("Slack ended a stream: %s", refusal)
            else:
                return
        rest = shown
        if self._ts:
            first, rest = split_for_update(shown)
            self._client.chat_update(channel=self._channel, ts=self._ts, markdown_text=first)
        if rest:
            self._client.chat_postMessage(
                channel=self._channel,
                thread_ts=self._thread,
                markdown_text=rest,
                unfurl_links=False,
                unfurl_media=False,
            )


def _shown(text: str) -> str:
    """Return a model's text as it may be shown: harmless, and short enough for one message."""
    if not text.strip():
        return ""
    return neutralise(text) if len(text) <= MAX_ANSWER else clip(neutralise(text[:MAX_ANSWER]), MAX_ANSWER) + ELLIPSIS
