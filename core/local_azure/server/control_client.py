"""The control plane as tests and the command line call it."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

import httpx
import msgspec

from core.local_azure.server.faults import Call, Fault, Held, Kind, Moment, Scarcity

Answer = TypeVar("Answer")


class Now(msgspec.Struct):
    """The server's time."""

    now: datetime


class Control:
    """One server's control plane. Every method raises `httpx.HTTPStatusError` when the server refuses."""

    def __init__(self, url: str, token: str, ca_file: Path) -> None:
        """`url` is the server's, `token` its control token, `ca_file` verifies its certificate."""
        self._http = httpx.Client(
            base_url=f"{url}/_control",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=str(ca_file)),
            timeout=90,
            trust_env=False,
        )

    def add_fault(self, kind: Kind, path: str, **properties: object) -> None:
        """Put a fault into force; `properties` are the others of `faults.Fault`."""
        self._post("/faults", msgspec.convert({"kind": kind, "path": path, **properties}, Fault))

    def add_scarcity(self, resource: str, **properties: object) -> None:
        """Make the next creations of a compute or deployment fail; `properties` are those of `faults.Scarcity`."""
        self._post("/scarcities", msgspec.convert({"resource": resource, **properties}, Scarcity))

    def clear_faults(self) -> None:
        """Forget all faults, scarcities and calls, and release what is held."""
        self._http.delete("/faults").raise_for_status()

    def wait_for_held(self, timeout: float = 30) -> Held:
        """Return the oldest call being held, waiting for one; raise `TimeoutError` after `timeout` seconds."""
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

    def wait_for_answer(self, held: Held, timeout: float = 30) -> Call:
        """Return a released call once it has been answered; raise `TimeoutError` after `timeout` seconds."""
        found = self._get("/answered", list[Call], call=held.call.id, timeout=timeout)
        if not found:
            raise TimeoutError(f"the call was not answered within {timeout:g} s")
        return found[0]

    def calls(self, path: str = "", method: str = ".*", at_least: int = 0, timeout: float = 0) -> list[Call]:
        """Return the calls received that match, waiting up to `timeout` seconds until there are `at_least` so many."""
        return self._get("/calls", list[Call], path=path, method=method, atleast=at_least, timeout=timeout)

    def advance(self, by: timedelta) -> datetime:
        """Move the server's clock forward and return its time."""
        answer = self._http.post("/clock", json={"seconds": by.total_seconds()}).raise_for_status()
        return msgspec.json.decode(answer.content, type=Now).now

    def reset(self) -> None:
        """Empty the workspace."""
        self._http.post("/reset").raise_for_status()

    def __enter__(self) -> Self:
        """Return this control plane, closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._http.close()

    def _post(self, path: str, body: msgspec.Struct) -> None:
        self._http.post(path, content=msgspec.json.encode(body)).raise_for_status()

    def _get(self, path: str, type: type[Answer], /, **query: str | float) -> Answer:
        return msgspec.json.decode(self._http.get(path, params=query).raise_for_status().content, type=type)


__all__ = ["Call", "Control", "Fault", "Held", "Kind", "Moment", "Scarcity"]
