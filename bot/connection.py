"""The Socket Mode connection: whether it is alive, and how it is closed."""

import logging
import os
from collections.abc import Callable
from threading import Thread

from slack_sdk.socket_mode.builtin import SocketModeClient

DEAD_AFTER = 180.0
"""Seconds."""
_LOOK_EVERY = 0.1

log = logging.getLogger(__name__)


class Watchdog:
    """Ends the process when the socket stays dead, so that whatever supervises it starts it anew."""

    def __init__(
        self, is_connected: Callable[[], bool], monotonic: Callable[[], float], end: Callable[[], None]
    ) -> None:
        self._is_connected = is_connected
        self._monotonic = monotonic
        self._end = end
        self._alive_at = monotonic()

    def look(self) -> None:
        """Note that the socket is alive, or end the process when it has not been for too long."""
        if self._is_connected():
            self._alive_at = self._monotonic()
        elif self._monotonic() - self._alive_at > DEAD_AFTER:
            log.critical("The connection to Slack has been dead for %d seconds; the process ends", DEAD_AFTER)
            self._end()


def close(client: SocketModeClient) -> None:
    """Close the connection and return when its threads have ended.

    The SDK's own `close` waits for ever when its receiver wakes up amid it, as it does right after connecting: the
    receiver then takes back that it was told to end (slack_sdk 3.47, `_run_current_session`). So it is told again.
    """
    closing = Thread(target=client.close, name="close-socket", daemon=True)
    closing.start()
    while closing.is_alive():
        client.current_session_state.terminated = True
        closing.join(_LOOK_EVERY)
    client.disconnect()  # what a reconnection amid it may have opened


def end_process() -> None:
    """End the process at once."""
    os._exit(1)
