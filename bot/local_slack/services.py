"""What the routes work with, made once when the server starts."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from bot.local_slack.delivery import Delivery
from bot.local_slack.events import Events
from bot.local_slack.faults import Faults
from bot.local_slack.limits import RateLimiter
from bot.local_slack.sockets import Sockets
from bot.local_slack.state import Workspace
from bot.manifest import Manifest
from core.clock import AdjustableClock


@dataclass(frozen=True)
class Services:
    """The workspace and the ways in and out of it; `url` is the server's own, without a path."""

    workspace: Workspace
    manifest: Manifest
    clock: AdjustableClock
    url: str
    sockets: Sockets
    delivery: Delivery
    events: Events
    faults: Faults
    rates: RateLimiter

    def end(self) -> None:
        """Let go of everything that waits, so that the server can stop at once."""
        self.faults.end()
        for changes in (self.workspace.changes, self.sockets.changes, self.delivery.changes):
            changes.end()


def services(connection: HTTPConnection) -> Services:
    """Return the services of the application that a request came to."""
    found: Services = connection.app.state.services
    return found
