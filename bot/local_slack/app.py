"""The application: services, and routes as data."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from bot.local_slack import control, control_people
from bot.local_slack.api import dispatcher
from bot.local_slack.delivery import Delivery
from bot.local_slack.errors import SlackError, handle
from bot.local_slack.events import Events
from bot.local_slack.faults import Faults
from bot.local_slack.limits import RateLimiter, RateLimits
from bot.local_slack.routes import assistant, chat, conversations, files, responses, streams, team, views
from bot.local_slack.services import Services, services
from bot.local_slack.sockets import Sockets
from bot.local_slack.state import Workspace
from bot.manifest import Manifest
from core.clock import AdjustableClock

METHODS = {
    **team.METHODS,
    **conversations.METHODS,
    **chat.METHODS,
    **streams.METHODS,
    **views.METHODS,
    **files.METHODS,
    **assistant.METHODS,
}


async def link(socket: WebSocket) -> None:
    """Serve one Socket Mode connection."""
    await services(socket).sockets.serve(socket)


ROUTES: list[BaseRoute] = [
    Route("/api/{method}", dispatcher(METHODS), methods=["GET", "POST"]),
    WebSocketRoute("/link/", link),
    Route("/response/{id}", responses.receive, methods=["POST"]),
    Route("/upload/v1/{file}", files.receive, methods=["POST"]),
    Route("/files/{file}", files.download),
    *control.routes,
    *control_people.routes,
]


def build_services(
    workspace: Workspace,
    clock: AdjustableClock,
    manifest: Manifest,
    url: str,
    limits: RateLimits | None,
    ack_seconds: float,
) -> Services:
    """Return the services of `workspace`, which answers at `url`."""
    identity = workspace.identity
    sockets = Sockets(identity.app_id, ack_seconds)
    delivery = Delivery(sockets, clock, identity.signing_secret, ack_seconds)
    return Services(
        workspace=workspace,
        manifest=manifest,
        clock=clock,
        url=url,
        sockets=sockets,
        delivery=delivery,
        events=Events(workspace, delivery, manifest.bot_events),
        faults=Faults(),
        rates=RateLimiter(limits),
    )


def build_app(found: Services, started: Callable[[asyncio.AbstractEventLoop], None]) -> Starlette:
    """Return the application; `started` is called with its event loop when it is ready to answer."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        started(asyncio.get_running_loop())
        yield
        await found.delivery.close()

    application = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers={SlackError: handle})
    application.state.services = found
    return application
