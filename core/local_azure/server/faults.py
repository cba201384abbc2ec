"""Faults that tests and demos ask for, and what the server has received: state only, no HTTP."""

import asyncio
import re
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What happens to a call: answered with an error, cut off without an answer, or held until somebody decides."""

    STATUS = "status"
    DROP = "drop"
    HOLD = "hold"


class Moment(StrEnum):
    """Whether the fault strikes before or after the call has had its effect."""

    BEFORE = "before"
    AFTER = "after"


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Strikes the next `times` calls whose method and path match; `path` is a pattern, searched in any case."""

    kind: Kind
    path: str
    method: str = ".*"
    times: int = 1
    moment: Moment = Moment.BEFORE
    status: int = 500
    code: str = "ServiceError"
    message: str = "InternalServerError"
    headers: dict[str, str] = {}


class Scarcity(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Makes the next `times` creations of a resource fail: `resource` is compute or deployment."""

    resource: str
    times: int = 1
    code: str | None = None
    message: str | None = None


class Call(msgspec.Struct, kw_only=True):
    """One request as it was received; the body of a blob is too large to keep. `status` is 0 until answered."""

    id: str
    method: str
    path: str
    query: str
    body: str
    received: datetime
    status: int = 0


class Held(msgspec.Struct):
    """A call that waits to be released or dropped."""

    call: Call
    moment: Moment


class Faults:
    """The faults in force, the calls held and the calls received; only `scarce` may be called from other threads."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=5000)
        self._faults: list[Fault] = []
        self._scarcities: list[Scarcity] = []
        self._held: dict[str, tuple[Held, asyncio.Future[bool]]] = {}
        self._changed = asyncio.Condition()

    def add(self, fault: Fault) -> None:
        """Put a fault into force; raise `re.error` if a pattern is none."""
        re.compile(fault.path), re.compile(fault.method)
        self._faults.append(fault)

    def add_scarcity(self, scarcity: Scarcity) -> None:
        """Put a scarcity into force."""
        self._scarcities.append(scarcity)

    async def clear(self) -> None:
        """Forget all faults and calls, and release what is held."""
        self._faults.clear()
        self._scarcities.clear()
        self.calls.clear()
        for name in list(self._held):
            await self.decide(name, release=True)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that strikes this call, and count it."""
        for fault in self._faults:
            if re.fullmatch(fault.method, method, re.IGNORECASE) and re.search(fault.path, path, re.IGNORECASE):
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    def scarce(self, resource: str) -> Scarcity | None:
        """Return the scarcity that the creation of a `resource` meets, and count it."""
        for scarcity in self._scarcities:
            if scarcity.resource == resource:
                scarcity.times -= 1
                if scarcity.times <= 0:
                    self._scarcities.remove(scarcity)
                return scarcity
        return None

    async def received(self, call: Call) -> None:
        """Keep `call`, and tell whoever waits for one."""
        self.calls.append(call)
        await self._tell()

    async def answered(self, call: Call, status: int) -> None:
        """Note that `call` has been answered with `status`, and tell whoever waits for that."""
        call.status = status
        await self._tell()

    async def hold(self, call: Call, moment: Moment) -> bool:
        """Wait until somebody decides about `call`; return True when it is released, False when it is dropped."""
        decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held[call.id] = (Held(call, moment), decision)
        await self._tell()
        try:
            return await decision
        finally:
            self._held.pop(call.id, None)

    async def decide(self, call: str, *, release: bool) -> bool:
        """Release or drop a held call; return whether it was held."""
        if call not in self._held:
            return False
        self._held.pop(call)[1].set_result(release)
        return True

    def held(self) -> list[Held]:
        """Return the calls that are being held, oldest first."""
        return [held for held, _ in self._held.values()]

    async def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until `condition` is true, looked at whenever a call comes further, but at most `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            return

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def new_call(method: str, path: str, query: str, body: bytes, received: datetime) -> Call:
    """Return a call just received."""
    text = body.decode("utf-8", errors="replace")
    return Call(id=uuid.uuid4().hex, method=method, path=path, query=query, body=text, received=received)
