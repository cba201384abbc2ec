"""Socket Mode: the app's WebSocket connections, their envelopes and acknowledgements.

From https://docs.slack.dev/apis/events-api/using-socket-mode.
"""

import asyncio
import secrets
import uuid
from collections import deque

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.local_slack.changes import Changes
from bot.local_slack.delivery import Kind, NotAcknowledged, Redelivery
from bot.local_slack.model import Json

MOST_CONNECTIONS = 10


class Sockets:
    """The connections that the app has open; each envelope goes to one of them, in turn."""

    def __init__(self, app_id: str, ack_seconds: float) -> None:
        """Begin without connections."""
        self._app_id, self._ack_seconds = app_id, ack_seconds
        self._tickets: set[str] = set()
        self._open: deque[WebSocket] = deque()
        self._leaving: set[WebSocket] = set()
        self._waiting: dict[str, asyncio.Future[Json | None]] = {}
        self.changes = Changes()

    def __len__(self) -> int:
        """Return how many connections take envelopes."""
        return len(self._open)

    def new_ticket(self) -> str:
        """Return what lets the app open one connection."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return ticket

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection until it ends."""
        if socket.query_params.get("ticket") not in self._tickets:
            await socket.close(4001, "invalid ticket")
            return
        self._tickets.discard(socket.query_params["ticket"])
        await socket.accept()
        if len(self._open) >= MOST_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self._open) + 1,
                "connection_info": {"app_id": self._app_id},
                "debug_info": {"host": "local", "approximate_connection_time": 18060},
            }
        )
        self._open.append(socket)
        self.changes.next()
        try:
            while True:
                self._acknowledged(await socket.receive_json())
        except (WebSocketDisconnect, ValueError, KeyError, RuntimeError):
            # Gone, or it sent what is no acknowledgement: Slack ends the connection either way.
            pass
        finally:
            self._forget(socket)

    def _acknowledged(self, message: Json) -> None:
        waiting = self._waiting.pop(message["envelope_id"], None)
        if waiting and not waiting.done():
            waiting.set_result(message.get("payload") or None)

    def _forget(self, socket: WebSocket) -> None:
        self._leaving.discard(socket)
        if socket in self._open:
            self._open.remove(socket)
            self.changes.next()

    async def deliver(self, kind: Kind, payload: Json, again: Redelivery) -> Json | None:
        """Return what the app acknowledged with; raises NotAcknowledged."""
        if not self._open:
            raise NotAcknowledged("dispatch_failed", "connection_failed")
        envelope = {
            "envelope_id": str(uuid.uuid4()),
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind is not Kind.EVENT,
        }
        if kind is Kind.EVENT:
            envelope |= {"retry_attempt": again.attempt, "retry_reason": again.reason}
        socket = self._open[0]
        self._open.rotate(-1)
        answer: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._waiting[str(envelope["envelope_id"])] = answer
        try:
            async with asyncio.timeout(self._ack_seconds):
                await socket.send_json(envelope)
                return await answer
        except TimeoutError:
            raise NotAcknowledged("operation_timeout", "timeout") from None
        except (WebSocketDisconnect, RuntimeError):
            self._forget(socket)
            raise NotAcknowledged("dispatch_failed", "connection_failed") from None
        finally:
            self._waiting.pop(str(envelope["envelope_id"]), None)

    async def refresh(self) -> None:
        """Ask the app to connect anew, as Slack does every few hours; old connections get no more envelopes."""
        for socket in list(self._open):
            self._open.remove(socket)
            self._leaving.add(socket)
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})
        self.changes.next()

    async def drop(self) -> None:
        """End all connections without a word."""
        for socket in [*self._open, *self._leaving]:
            self._forget(socket)
            await socket.close()
