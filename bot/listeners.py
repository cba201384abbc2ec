"""What the Bolt app listens to; each listener writes down, acknowledges, and hands the work to the desk.

What is shown while a person fills in a form, offers and redrawings, changes nothing and is not written down.
"""

import logging
import re
from collections.abc import Callable
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.cards.blocks import MAX_OPTIONS, option
from bot.commands.catalogue import BUTTONS, COMMANDS, FORMS, run_command, run_words
from bot.desk import Desk
from bot.forms import PATIENCE, Entered, Form, as_json, entered_in, late_card, marked, waiting_view
from bot.requests import Dependencies, Request, from_button, from_command, from_submission, from_words
from core.errors import error_id

log = logging.getLogger(__name__)


def listen(app: App, desk: Desk, dependencies: Dependencies) -> None:
    """Register what the app listens to; what cannot be written down is not acknowledged."""
    for word, (command, _) in COMMANDS.items():
        app.command(command.name)(_command_listener(word, desk, dependencies))
    for action in BUTTONS:
        app.action(action)(_button_listener(action, desk, dependencies))
    for form in FORMS.values():
        app.view(form.name)(_submission_listener(form, desk, dependencies))
    app.options(re.compile(".*"))(_offer_listener(dependencies))
    app.action(re.compile(".*"), matchers=[_in_form])(_redraw_listener(dependencies))
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


def _submission_listener(form: Form, desk: Desk, dependencies: Dependencies) -> Callable[..., None]:
    def listener(ack: Callable[..., Any], body: dict[str, Any]) -> None:
        request, entered = from_submission(body), entered_in(body["view"])
        if not desk.note(request):
            ack(response_action="clear")
            return
        attempt = desk.attempt(
            request,
            lambda: form.submit(request, entered, dependencies),
            PATIENCE,
            lambda error: late_card(form, entered, error),
        )
        if attempt.error is not None:
            ack(response_action="errors", errors=marked(body["view"], attempt.error))
        elif attempt.pending:
            ack(response_action="update", view=waiting_view(body["view"]))
        else:
            ack(response_action="clear")

    return listener


def _offer_listener(dependencies: Dependencies) -> Callable[..., None]:
    """Return the listener that says what a menu offers; a menu that cannot be filled is empty."""

    def listener(ack: Callable[..., Any], body: dict[str, Any]) -> None:
        view = body.get("view") or {}
        form = FORMS.get(view.get("callback_id", ""))
        offer = form.offers.get(body["action_id"]) if form is not None else None
        found = offer(body.get("value") or "", entered_in(view), dependencies) if offer is not None else ()
        ack(options=[option(one.label, one.value) for one in found[:MAX_OPTIONS]])

    return listener


def _redraw_listener(dependencies: Dependencies) -> Callable[..., None]:
    def listener(ack: Callable[[], Any], body: dict[str, Any], client: WebClient) -> None:
        ack()
        view, form = body["view"], FORMS[body["view"]["callback_id"]]
        action = body["actions"][0]
        if action["action_id"] not in form.redraws:
            return
        request, entered = from_button(body), entered_in(view)
        pressed = Entered(
            {**entered.values, action["action_id"]: action.get("value") or entered.text(action["action_id"])},
            entered.state,
        )
        drawn = as_json(form, form.draw(request, pressed, dependencies), request)
        try:
            client.views_update(view_id=view["id"], hash=view["hash"], view=drawn)
        except SlackApiError as refusal:
            # Closed, or drawn by a later change meanwhile.
            log.info("Slack did not redraw %s: %s", form.name, refusal.response.get("error"))

    return listener


def _in_form(body: dict[str, Any]) -> bool:
    return (body.get("view") or {}).get("callback_id") in FORMS


def _acknowledge(ack: Callable[[], Any]) -> None:
    ack()
