"""Faults that tests and demos ask for, and the calls that the app made: state only, no HTTP."""

import asyncio
import re
import uuid
from collections import deque
from datetime import datetime
from enum import StrEnum

import msgspec

from bot.local_slack.changes import Changes
from bot.local_slack.model import Json


class Kind(StrEnum):
    """What happens to a call: answered with an error, cut off without an answer, or held until somebody decides."""

    STATUS = "status"
    ERROR = "error"
    RATE_LIMITED = "ratelimited"
    DROP = "drop"
    HOLD = "hold"


class Moment(StrEnum):
    """Whether the fault strikes before or after the call has had its effect."""

    BEFORE = "before"
    AFTER = "after"


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Strikes the next `times` calls whose method matches the pattern `method`; `retry_after` is in seconds."""

    kind: Kind
    method: str
    times: int = 1
    moment: Moment = Moment.BEFORE
    status: int = 503
    error: str = "internal_error"
    retry_after: int = 1


class Call(msgspec.Struct, kw_only=True):
    """One call as it was received, without its token; `status` is 0 and `answer` empty until it has been answered."""

    id: str
    method: str
    arguments: Json
    received: datetime
    status: int = 0
    answer: Json = {}


class Held(msgspec.Struct):
    """A call that waits to be released or dropped."""

    call: Call
    moment: Moment


class Faults:
    """The faults in force, the calls held and the calls received; used on the server's event loop only."""

    def __init__(self) -> None:
        """Begin without faults."""
        self.calls: deque[Call] = deque(maxlen=5000)
        self.changes = Changes()
        self._faults: list[Fault] = []
        self._held: dict[str, tuple[Held, asyncio.Future[bool]]] = {}

    def add(self, fault: Fault) -> None:
        """Put a fault into force; raises `re.error` when its pattern is none."""
        re.compile(fault.method)
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget all faults and calls, and release what is held."""
        self._faults.clear()
        self.calls.clear()
        for name in list(self._held):
            self.decide(name, release=True)

    def take(self, method: str) -> Fault | None:
        """Return the fault that strikes a call of `method`, and count it."""
        for fault in self._faults:
            if re.fullmatch(fault.method, method):
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    def received(self, method: str, arguments: Json, now: datetime) -> Call:
        """Keep a call, and tell whoever waits for one."""
        call = Call(id=uuid.uuid4().hex, method=method, arguments=arguments, received=now)
        self.calls.append(call)
        self.changes.next()
        return call

    async def hold(self, call: Call, moment: Moment) -> bool:
        """Wait until somebody decides about `call`; return True when it is released, False when it is dropped."""
        decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held[call.id] = (Held(call, moment), decision)
        self.changes.next()
        try:
            return await decision
        finally:
            self._held.pop(call.id, None)

    def decide(self, call: str, *, release: bool) -> bool:
        """Release or drop a held call; return whether it was held."""
        if call not in self._held:
            return False
        self._held.pop(call)[1].set_result(release)
        return True

    def end(self) -> None:
        """Cut off what is held; nothing is held from now on."""
        for name in list(self._held):
            self.decide(name, release=False)
        self.changes.end()

    def held(self) -> list[Held]:
        """Return the calls that are being held, oldest first."""
        return [held for held, _ in self._held.values()]
