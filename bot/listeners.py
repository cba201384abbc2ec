"""What the Bolt app listens to; each listener writes down, acknowledges, and hands the work to the desk."""

import logging
import re
from collections.abc import Callable
from typing import Any

from slack_bolt import App

from bot.commands.catalogue import BUTTONS, COMMANDS, run_command, run_words
from bot.requests import Dependencies, Desk, Request, from_button, from_command, from_words
from core.errors import error_id

log = logging.getLogger(__name__)


def listen(app: App, desk: Desk, dependencies: Dependencies) -> None:
    """Register what the app listens to; what cannot be written down is not acknowledged."""
    for word, (command, _) in COMMANDS.items():
        app.command(command.name)(_command_listener(word, desk, dependencies))
    for action in BUTTONS:
        app.action(action)(_button_listener(action, desk, dependencies))
    app.action(re.compile(".*"))(_acknowledge)

    def note(event: dict[str, Any], context: dict[str, Any], next: Callable[[], None]) -> None:
        # Bolt acknowledges an event by itself, after its middleware and before its listener.
        bot_user = str(context.get("bot_user_id"))
        to_the_bot = event.get("channel_type") == "im" or f"<@{bot_user}" in (event.get("text") or "")
        if to_the_bot and event.get("user") and not event.get("subtype") and not event.get("bot_id"):
            request = from_words(event, str(context.get("team_id") or ""), bot_user)
            context["noted"] = request if desk.note(request) else None
        next()

    def hear(context: dict[str, Any]) -> None:
        request: Request | None = context.get("noted")
        if request is not None:
            desk.take(request, lambda: run_words(request, dependencies))

    app.event("app_mention", middleware=[note])(hear)
    app.event("message", middleware=[note])(hear)

    @app.error
    def failed(error: Exception, body: dict[str, Any]) -> None:
        log.error("Unexpected error %s in a listener of %s", error_id(), body.get("type"), exc_info=error)


def _command_listener(word: str, desk: Desk, dependencies: Dependencies) -> Callable[..., None]:
    def listener(ack: Callable[[], Any], body: dict[str, Any]) -> None:
        request = from_command(body)
        first = desk.note(request)
        ack()
        if first:
            desk.take(request, lambda: run_command(word, request, dependencies))

    return listener


def _button_listener(action: str, desk: Desk, dependencies: Dependencies) -> Callable[..., None]:
    def listener(ack: Callable[[], Any], body: dict[str, Any]) -> None:
        request = from_button(body)
        first = desk.note(request)
        ack()
        if first:
            desk.take(request, lambda: BUTTONS[action](request, dependencies))

    return listener


def _acknowledge(ack: Callable[[], Any]) -> None:
    ack()
