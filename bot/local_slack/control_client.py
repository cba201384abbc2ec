"""The control plane as tests and the demo call it; what people do is in `person`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx
import msgspec

from bot.local_slack.delivery import Attempt
from bot.local_slack.faults import Call, Fault, Held, Kind, Moment

Answer = TypeVar("Answer")
WAIT = 30.0
"""Seconds of real time that a waiting call waits unless told otherwise."""


class Now(msgspec.Struct):
    """The workspace's time."""

    now: datetime


def client(control_url: str, token: str) -> httpx.Client:
    """Return an HTTP client of the control plane."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=control_url, headers=headers, timeout=90, trust_env=False)


class Control:
    """One workspace's control plane. Every method raises `httpx.HTTPStatusError` when the server refuses."""

    def __init__(self, http: httpx.Client) -> None:
        """`http` is a client from `client`."""
        self._http = http

    def wait_for_connection(self, at_least: int = 1, timeout: float = WAIT) -> None:
        """Return when the app has so many WebSockets open; raises TimeoutError after `timeout` seconds."""
        found = self._get("/connections", dict[str, int], atleast=at_least, timeout=timeout)
        if found["connections"] < at_least:
            raise TimeoutError(f"the app has {found['connections']} connections after {timeout:g} s")

    def wait_for_disconnection(self, timeout: float = WAIT) -> None:
        """Return when the app has no WebSocket open; raises TimeoutError after `timeout` seconds."""
        found = self._get("/connections", dict[str, int], atmost=0, timeout=timeout)
        if found["connections"]:
            raise TimeoutError(f"the app still has {found['connections']} connections after {timeout:g} s")

    def deliver_to(self, request_url: str) -> None:
        """Deliver by signed HTTP to `request_url`; an empty one goes back to Socket Mode."""
        self._http.put("/connections", json={"request_url": request_url}).raise_for_status()

    def disconnect(self, *, polite: bool = True) -> None:
        """End the app's WebSockets: ask it to connect anew, or drop them without a word."""
        self._http.request("DELETE", "/connections", json={"polite": polite}).raise_for_status()

    def add_channel(self, name: str, *, private: bool = False, invite_app: bool = True) -> str:
        """Create a channel with everyone in it; return its id."""
        body = {"name": name, "private": private, "invite_app": invite_app}
        return str(self._http.post("/channels", json=body).raise_for_status().json()["id"])

    def add_fault(self, kind: Kind, method: str, **properties: Any) -> None:
        """Put a fault into force on calls of `method` (a pattern); `properties` are the others of `faults.Fault`."""
        fault = msgspec.convert({"kind": kind, "method": method, **properties}, Fault)
        self._http.post("/faults", content=msgspec.json.encode(fault)).raise_for_status()

    def clear_faults(self) -> None:
        """Forget all faults and calls, and release what is held."""
        self._http.delete("/faults").raise_for_status()

    def wait_for_held(self, timeout: float = WAIT) -> Held:
        """Return the oldest call being held, waiting for one; raises TimeoutError after `timeout` seconds."""
        found = self._get("/held", list[Held], timeout=timeout)
        if not found:
            raise TimeoutError(f"no call was held within {timeout:g} s")
        return found[0]

    def release(self, held: Held) -> None:
        """Let a held call go on."""
        self._http.post(f"/held/{held.call.id}", json={"release": True}).raise_for_status()

    def drop(self, held: Held) -> None:
        """Cut a held call off without an answer; held before its effect, it has none."""
        self._http.post(f"/held/{held.call.id}", json={"release": False}).raise_for_status()

    def calls(
        self, method: str = ".*", at_least: int = 0, *, answered: bool = False, timeout: float = WAIT
    ) -> list[Call]:
        """Return the calls of `method` (a pattern), waiting until there are `at_least` so many, or `timeout`.

        `answered` leaves out those that have no answer yet, or were cut off.
        """
        query: dict[str, str | float] = {
            "method": method,
            "atleast": at_least,
            "answered": str(answered).lower(),
            "timeout": timeout,
        }
        return self._get("/calls", list[Call], **query)

    def deliveries(self, outcome: str = ".*", at_least: int = 0, timeout: float = WAIT) -> list[Attempt]:
        """Return the deliveries of events by outcome (a pattern), waiting until there are `at_least` so many."""
        return self._get("/deliveries", list[Attempt], outcome=outcome, atleast=at_least, timeout=timeout)

    def advance(self, by: timedelta) -> datetime:
        """Move the workspace's clock forward and return its time."""
        answer = self._http.post("/clock", json={"seconds": by.total_seconds()}).raise_for_status()
        return msgspec.json.decode(answer.content, type=Now).now

    def reset(self) -> None:
        """Empty the workspace."""
        self._http.post("/reset").raise_for_status()

    def _get(self, path: str, type: type[Answer], /, **query: str | float) -> Answer:
        return msgspec.json.decode(self._http.get(path, params=query).raise_for_status().content, type=type)


@contextmanager
def connected(control_url: str, token: str) -> Iterator[Control]:
    """Yield the control plane at `control_url`, closed at the end."""
    with client(control_url, token) as http:
        yield Control(http)


__all__ = ["Call", "Control", "Fault", "Held", "Kind", "Moment", "connected"]
