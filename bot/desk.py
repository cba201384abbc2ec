"""Does what was asked, one worker thread a request, and answers it where it was asked.

A request is written down, then acknowledged, then worked on: once, however often Slack delivers it. Whatever goes wrong
is said to the person in the place where they asked.
"""

import errno
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from threading import Event, Lock
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient
from sqlalchemy.exc import SQLAlchemyError

from bot.cards.blocks import Card
from bot.cards.error import error_card, unexpected_card
from bot.requests import Opening, Outcome, Request, to_record
from core.errors import UserError, error_id
from core.mishaps import refused_by_system
from core.records.deliveries import Deliveries

_TOO_LATE = UserError(
    "The form could not be opened.",
    why="Slack lets me open one only within three seconds.",
    next="Try again, or type the command with its parameters.",
)

log = logging.getLogger(__name__)


class Desk:
    """Takes requests on."""

    def __init__(self, deliveries: Deliveries, client: WebClient, workers: Executor, wake: Callable[[], None]) -> None:
        self._deliveries = deliveries
        self._client = client
        self._workers = workers
        self._wake = wake

    def note(self, request: Request) -> bool:
        """Write a request down before it is acknowledged; False: it was brought before, and is not to be taken."""
        return self._deliveries.take(request.key, to_record(request))

    def take(self, request: Request, work: Callable[[], Outcome]) -> None:
        """Do `work` of a request that was noted in a worker thread; returns at once."""
        self._workers.submit(self._do, request, work)

    def attempt(
        self,
        request: Request,
        work: Callable[[], Outcome],
        seconds: float,
        late: Callable[[UserError], Card] = error_card,
    ) -> "Attempt":
        """Do `work` in a worker thread, and wait for at most `seconds` to hear how it went.

        An error that comes in time is the caller's to tell; `late` draws one that comes later, for the person.
        """
        attempt = Attempt()

        def checked() -> Outcome:
            try:
                outcome = work()
            except UserError as error:
                if attempt.ends(error):
                    return None
                return late(error)
            attempt.ends(None)
            return outcome

        def do() -> None:
            try:
                self._do(request, checked)
            finally:
                attempt.ends(None)  # what was unexpected has been told

        self._workers.submit(do)
        attempt.wait(seconds)
        return attempt

    def _do(self, request: Request, work: Callable[[], Outcome]) -> None:
        outcome = self._outcome(request, work)
        if isinstance(outcome, Opening):
            outcome = self._open(request, outcome)
        if outcome is not None:
            self._answer(request, outcome)
        try:
            self._deliveries.done(request.key)
        except SQLAlchemyError:
            log.exception("Unexpected error %s: %s is done and not marked so", error_id(), request.key)
        self._wake()

    def _outcome(self, request: Request, work: Callable[[], Outcome]) -> Outcome:
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

    def _open(self, request: Request, opening: Opening) -> Card | None:
        """Show a modal; return what to say instead when Slack does not."""
        try:
            self._client.views_open(trigger_id=request.trigger, view=dict(opening.view))
        except SlackApiError as refusal:
            code = str(refusal.response.get("error", ""))
            log.warning("Slack did not open a modal for %s: %s", request.key, code)
            if code in ("expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "ratelimited"):
                return error_card(_TOO_LATE)
            return unexpected_card(error_id())
        except OSError as error:
            log.warning("Slack did not open a modal for %s: %s", request.key, type(error).__name__)
            return error_card(_TOO_LATE)
        return None

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


class Attempt:
    """How far work has come that somebody waits for: until they give up, its error is theirs to tell."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ended = Event()
        self._given_up = False
        self.error: UserError | None = None

    @property
    def pending(self) -> bool:
        """Return whether the work went on when nobody waited any more."""
        return self._given_up

    def wait(self, seconds: float) -> None:
        """Wait for the end of the work, or give up."""
        ended = self._ended.wait(seconds)
        with self._lock:
            self._given_up = not ended and not self._ended.is_set()

    def ends(self, error: UserError | None) -> bool:
        """Note how the work ended, the first time; return whether somebody still waits for it."""
        with self._lock:
            if not self._ended.is_set():
                self.error = None if self._given_up else error
                self._ended.set()
            return not self._given_up
