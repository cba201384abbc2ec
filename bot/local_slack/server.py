"""Starts and stops the server: its folder and port, and what a bot and a person need to reach it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.local_slack.app import build_app, build_services
from bot.local_slack.control_client import Control, connected
from bot.local_slack.delivery import ACK_SECONDS
from bot.local_slack.limits import RateLimits
from bot.local_slack.person import Person
from bot.local_slack.services import Services
from bot.local_slack.state import Workspace
from bot.manifest import read_manifest
from core.clock import AdjustableClock, Clock, system_clock
from core.errors import ConfigurationError

START_SECONDS = 20.0
DEFAULT_LIMITS = RateLimits()


@dataclass(frozen=True)
class RunningWorkspace:
    """A workspace that answers: `url` is the value of SLACK_API_URL."""

    url: str
    bot_token: str
    app_token: str
    signing_secret: str
    control_url: str
    control_token: str
    bot_user_id: str
    control: Control

    def person(self, name: str = "ada", channel: str = "general") -> Person:
        """Return a member of the team (ada, grace or alan), who talks in `channel` unless told otherwise."""
        return Person(self.control_url, self.control_token, name, channel)


class _Protocol(H11Protocol):
    """Hands each request its transport, so that a fault can cut the connection."""

    def connection_made(self, transport: object) -> None:
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)  # type: ignore[arg-type]


@contextmanager
def running_workspace(
    folder: Path,
    *,
    manifest: Path,
    clock: Clock = system_clock,
    port: int = 0,
    request_url: str = "",
    limits: RateLimits | None = DEFAULT_LIMITS,
    ack_seconds: float = ACK_SECONDS,
) -> Iterator[RunningWorkspace]:
    """Serve the workspace kept in `folder` from a thread for the length of the block, on 127.0.0.1 only.

    `port` 0 means the folder's own port, or a free one. `request_url` chooses signed HTTP instead of Socket Mode;
    `limits` None allows any number of calls; `ack_seconds` is how long the app may take to acknowledge. Raises
    ConfigurationError when the port is in use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    adjustable = clock if isinstance(clock, AdjustableClock) else AdjustableClock(clock)
    app_manifest = read_manifest(manifest)
    with (
        closing(Workspace(folder, adjustable, app_manifest.display_name)) as workspace,
        closing(_listen(workspace, port)) as listening,
    ):
        url = f"http://127.0.0.1:{workspace.identity.port}"
        found = build_services(workspace, adjustable, app_manifest, url, limits, ack_seconds)
        found.delivery.set_request_url(request_url)
        started: Future[asyncio.AbstractEventLoop] = Future()
        server = uvicorn.Server(
            uvicorn.Config(
                build_app(found, started.set_result),
                http=_Protocol,
                ws="websockets-sansio",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=75,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="local-slack")
        thread.start()
        try:
            loop = _started(started)
            identity, control_url = workspace.identity, f"{url}/_control"
            with connected(control_url, identity.control_token) as control, _ending(loop, found):
                yield RunningWorkspace(
                    url=f"{url}/api/",
                    bot_token=identity.bot_token,
                    app_token=identity.app_token,
                    signing_secret=identity.signing_secret,
                    control_url=control_url,
                    control_token=identity.control_token,
                    bot_user_id=identity.bot_user_id,
                    control=control,
                )
        finally:
            server.should_exit = True
            thread.join()


def _started(started: Future[asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
    """Return the server's event loop once it answers; raises ConfigurationError when it does not start."""
    try:
        return started.result(START_SECONDS)
    except TimeoutError:
        raise ConfigurationError("The local Slack could not start.", next="See its log above.") from None


@contextmanager
def _ending(loop: asyncio.AbstractEventLoop, found: Services) -> Iterator[None]:
    """Let go of everything that waits at the end of the block."""
    try:
        yield
    finally:
        loop.call_soon_threadsafe(found.end)


def _listen(workspace: Workspace, port: int) -> socket.socket:
    """Listen on `port`, or on the folder's own, or on a free one; the folder keeps it."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port or workspace.identity.port))
        listening.listen(2048)
    except OSError:
        listening.close()
        if port:
            raise ConfigurationError(
                f"Port {port} of 127.0.0.1 is in use.", next="Stop the other server, or use another port."
            ) from None
        workspace.keep_port(0)
        return _listen(workspace, port)
    workspace.keep_port(listening.getsockname()[1])
    return listening
