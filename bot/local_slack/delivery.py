"""Brings what people do to the app: over Socket Mode or as signed HTTP requests, within three seconds.

From https://docs.slack.dev/apis/events-api (retries, reasons) and
https://docs.slack.dev/authentication/verifying-requests-from-slack (signature).
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlencode

import httpx
import msgspec

from bot.local_slack.changes import Changes
from bot.local_slack.model import Json
from core.clock import Clock

ACK_SECONDS = 3.0
REDELIVERIES = (timedelta(), timedelta(minutes=1), timedelta(minutes=5))
CLOCK_LOOK = 0.1
"""Seconds between two looks at the clock, which somebody may have moved forward."""


class Kind(StrEnum):
    """What is brought, in Socket Mode's words."""

    EVENT = "events_api"
    COMMAND = "slash_commands"
    INTERACTION = "interactive"


@dataclass(frozen=True)
class Redelivery:
    """Why an event is brought again, and for which time."""

    attempt: int = 0
    reason: str = ""


class Attempt(msgspec.Struct):
    """One delivery of an event and its outcome: acknowledged, or Slack's reason for bringing it again."""

    event_id: str
    event: str
    attempt: int
    outcome: str


class NotAcknowledged(Exception):
    """The app did not answer; `code` is what the person is shown, `reason` what the next delivery says."""

    def __init__(self, code: str, reason: str, *, final: bool = False) -> None:
        """`final` says that the app asked for no retries."""
        super().__init__(code)
        self.code, self.reason, self.final = code, reason, final


class Transport(Protocol):
    """One way to the app."""

    async def deliver(self, kind: Kind, payload: Json, again: Redelivery) -> Json | None:
        """Return what the app acknowledged with; raises NotAcknowledged."""


class SignedHttp:
    """Posts to the app's request URL."""

    def __init__(self, url: str, signing_secret: str, ack_seconds: float) -> None:
        """`url` is the app's request URL for events, commands and interactions alike."""
        self._url, self._secret = url, signing_secret.encode()
        self._client = httpx.AsyncClient(timeout=ack_seconds, trust_env=False)

    async def deliver(self, kind: Kind, payload: Json, again: Redelivery) -> Json | None:
        """Return what the app acknowledged with; raises NotAcknowledged."""
        if kind is Kind.EVENT:
            body, content_type = json.dumps(payload), "application/json"
        else:
            form = payload if kind is Kind.COMMAND else {"payload": json.dumps(payload)}
            body, content_type = urlencode(form), "application/x-www-form-urlencoded"
        headers = {"Content-Type": content_type, **self._signed(body)}
        if again.attempt:
            headers |= {"X-Slack-Retry-Num": str(again.attempt), "X-Slack-Retry-Reason": again.reason}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.TimeoutException:
            raise NotAcknowledged("operation_timeout", "http_timeout") from None
        except httpx.TransportError:
            raise NotAcknowledged("dispatch_failed", "connection_failed") from None
        if answer.status_code != 200:
            raise NotAcknowledged(
                "http_client_error" if answer.status_code < 500 else "http_service_error",
                "http_error",
                final=answer.headers.get("x-slack-no-retry") == "1",
            )
        if answer.headers.get("content-type", "").startswith("application/json"):
            found = answer.json()
            return found if isinstance(found, dict) else None
        return {"text": answer.text} if answer.text else None

    def _signed(self, body: str) -> dict[str, str]:
        # The machine's time, not the workspace's clock: the app compares it with its own.
        sent = str(int(time.time()))
        digest = hmac.new(self._secret, f"v0:{sent}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": sent, "X-Slack-Signature": f"v0={digest}"}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class Delivery:
    """Brings commands and interactions once, and events until they are acknowledged or given up."""

    def __init__(self, sockets: Transport, clock: Clock, signing_secret: str, ack_seconds: float = ACK_SECONDS) -> None:
        """Deliver over `sockets` until a request URL is set."""
        self._sockets, self._clock, self._secret, self.ack_seconds = sockets, clock, signing_secret, ack_seconds
        self._http: SignedHttp | None = None
        self._events: set[asyncio.Task[None]] = set()
        self.attempts: deque[Attempt] = deque(maxlen=1000)
        self.changes = Changes()

    def set_request_url(self, url: str) -> None:
        """Deliver by HTTP to `url`; an empty one goes back to Socket Mode."""
        self._http = SignedHttp(url, self._secret, self.ack_seconds) if url else None

    async def deliver(self, kind: Kind, payload: Json, again: Redelivery = Redelivery()) -> Json | None:
        """Return what the app acknowledged with; raises NotAcknowledged."""
        return await (self._http or self._sockets).deliver(kind, payload, again)

    def event(self, payload: Json) -> None:
        """Bring an event in the background, again after 0, 1 and 5 minutes of the clock when it is not acknowledged."""
        task = asyncio.create_task(self._bring(payload))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    async def _bring(self, payload: Json) -> None:
        reason, since = "", self._clock()
        for attempt, delay in enumerate((timedelta(), *REDELIVERIES)):
            while self._clock() - since < delay:
                await asyncio.sleep(CLOCK_LOOK)
            try:
                await self.deliver(Kind.EVENT, payload, Redelivery(attempt, reason))
            except NotAcknowledged as refusal:
                self._record(payload, attempt, refusal.reason)
                if refusal.final:
                    return
                reason, since = refusal.reason, self._clock()
            else:
                self._record(payload, attempt, "acknowledged")
                return

    def _record(self, payload: Json, attempt: int, outcome: str) -> None:
        self.attempts.append(Attempt(payload["event_id"], payload["event"]["type"], attempt, outcome))
        self.changes.next()

    def forget(self) -> None:
        """Bring no event again, and forget those that were brought."""
        for task in self._events:
            task.cancel()
        self.attempts.clear()

    @property
    def unacknowledged(self) -> int:
        """Return how many events are on their way or wait to be brought again."""
        return len(self._events)

    async def close(self) -> None:
        """Give up what is still on its way."""
        self.forget()
        await asyncio.gather(*self._events, return_exceptions=True)
        if self._http:
            await self._http.close()
