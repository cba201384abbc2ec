"""The number of the workspace's latest change, and waiting for the next one."""

import asyncio
from collections.abc import Callable


class Changes:
    """Counts changes and wakes who waits; used on the server's event loop only."""

    def __init__(self, version: int = 0) -> None:
        """Go on counting from `version`."""
        self.version = version
        self._changed = asyncio.Event()
        self._over = False

    def next(self) -> int:
        """Count one change and return its number."""
        self.version += 1
        self.tell()
        return self.version

    def tell(self) -> None:
        """Wake everyone who waits, so that they look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Let everyone who waits, now or later, go on at once: nothing will change any more."""
        self._over = True
        self.tell()

    async def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until `condition` is true, looked at after every change, but at most `seconds` of real time."""
        try:
            async with asyncio.timeout(seconds):
                while not condition() and not self._over:
                    await self._changed.wait()
        except TimeoutError:
            return
