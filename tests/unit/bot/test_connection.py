"""The connection to Slack is watched, and closed whatever it is doing."""

import threading
from types import SimpleNamespace

from slack_sdk.socket_mode.builtin import SocketModeClient

from bot.connection import Watchdog, close


class Waking:
    """A session whose receiver wakes up at the moment at which it is told to end."""

    session_id = "waking"

    def __init__(self) -> None:
        self.looked_at, self.told = threading.Event(), threading.Event()
        self.received = False

    def is_active(self) -> bool:
        """Answer what was true before `close`, after it."""
        self.looked_at.set()
        return self.told.wait(10) and not self.received

    def run_until_completion(self, state: SimpleNamespace) -> None:
        """Receive until told to end, as the SDK's session does."""
        self.received = True
        pause = threading.Event()
        while not state.terminated:
            pause.wait(0.01)

    def close(self) -> None:
        """Be told to end."""
        self.told.set()


def test_a_connection_that_is_just_beginning_is_closed() -> None:
    """Closing returns also when the SDK's receiver wakes up amid it and forgets that it was told to end."""
    client, session = SocketModeClient(app_token="xapp-1"), Waking()
    client.current_session = session
    assert session.looked_at.wait(10)
    closer = threading.Thread(target=close, args=(client,), daemon=True)
    closer.start()
    closer.join(20)
    assert session.received
    assert not closer.is_alive()


def test_a_dead_socket_ends_the_process() -> None:
    """A connection that stays dead for minutes ends the process; a short break does not."""
    time_now, alive, ended = [0.0], [True], []
    watchdog = Watchdog(lambda: alive[0], lambda: time_now[0], lambda: ended.append(time_now[0]))
    for moment, connected in ((100, True), (200, False), (250, True), (400, False), (420, False)):
        time_now[0], alive[0] = moment, connected
        watchdog.look()
    assert ended == []
    time_now[0] = 431
    watchdog.look()
    assert ended == [431]
