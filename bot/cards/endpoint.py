"""The endpoint card: what is deployed, what it costs, and the buttons that end the cost."""

from datetime import datetime

from bot.cards.amounts import duration, moment, money
from bot.cards.blocks import Block, Card, Element, actions, button, context, fields, section
from bot.cards.job import failure_text
from bot.cards.untrusted import code, mrkdwn
from core.operations.costs import billed_hours, cost_per_day, cost_per_hour, cost_so_far
from core.records.tables import Endpoint

ASK, DELETE, KEEP = "endpoint_ask", "endpoint_delete", "endpoint_keep"


def endpoint_card(endpoint: Endpoint, now: datetime) -> Card:
    """Show an endpoint as it was last observed."""
    state = state_of(endpoint)
    model = f"{code(endpoint.model_name)} version {mrkdwn(endpoint.model_version)}"
    blocks = [
        section(f":speech_balloon: *{mrkdwn(endpoint.id)}*\n{state}"),
        fields(
            [
                ("Model", model),
                ("Size", f"{endpoint.instance_count} × {mrkdwn(endpoint.instance_type)}"),
                ("Price", price_of(endpoint)),
                ("Cost so far", so_far(endpoint, now)),
            ]
        ),
        section(failure_text(endpoint.failure)) if endpoint.failure else None,
        context(_troubles(endpoint), _hint(endpoint)),
        actions(*_buttons(endpoint)),
        context(f"<@{endpoint.owner}>" + (f" · from {code(endpoint.job_id)}" if endpoint.job_id else "")),
    ]
    return Card.of(f"Endpoint {mrkdwn(endpoint.id)}: {state}", blocks)


def reminder_card(endpoint: Endpoint, now: datetime) -> Card:
    """Remind the owner of an endpoint nobody uses, with the buttons that end it or keep it."""
    last = endpoint.last_request_at or endpoint.deployed_at
    since = f"No requests for {duration((now - last).total_seconds())} at" if last else "Its deployment failed:"
    text = (
        f":alarm_clock: <@{endpoint.owner}> {since} {code(endpoint.id)}. It has cost {so_far(endpoint, now)} so far "
        f"and costs {per_day(endpoint)} per day for as long as it exists."
    )
    return Card.of(text, [section(text), actions(_delete(endpoint, now), button("Keep a while", KEEP, endpoint.id))])


def state_of(endpoint: Endpoint) -> str:
    """Return the endpoint's state in a few words."""
    if endpoint.state == "Gone":
        stopped = f" Billing stopped {moment(endpoint.billing_stopped_at)}." if endpoint.billing_stopped_at else ""
        return f"Deleted.{stopped}"
    if endpoint.wanted == "gone":
        return "Being deleted; it is billed until it is gone"
    if endpoint.deployment_state == "Failed" or endpoint.failure:
        return "The deployment failed; it may be billed until it is deleted"
    if is_serving(endpoint):
        return "Serving"
    return f"Being deployed ({mrkdwn(endpoint.deployment_state or endpoint.state or 'asked for')})"


def is_serving(endpoint: Endpoint) -> bool:
    """Return whether the deployment gets all traffic and nobody wants it gone."""
    return endpoint.wanted == "up" and endpoint.deployment_state == "Succeeded" and endpoint.traffic == 100


def price_of(endpoint: Endpoint) -> str:
    """Return the price per hour and per day."""
    hourly = cost_per_hour(endpoint)
    if hourly is None:
        return "unknown"
    source = f" ({mrkdwn(endpoint.price_source)})" if endpoint.price_source else ""
    return f"{money(hourly, endpoint.currency)} per hour, {per_day(endpoint)} per day{source}"


def per_day(endpoint: Endpoint) -> str:
    """Return the price per day."""
    daily = cost_per_day(endpoint)
    return "an unknown amount" if daily is None else money(daily, endpoint.currency)


def so_far(endpoint: Endpoint, now: datetime) -> str:
    """Return what it has cost until `now`, and in what time."""
    cost = cost_so_far(endpoint, now)
    hours = duration(billed_hours(endpoint, now) * 3600)
    return f"an unknown amount in {hours}" if cost is None else f"{money(cost, endpoint.currency)} in {hours}"


def _hint(endpoint: Endpoint) -> str:
    if not is_serving(endpoint):
        return ""
    kept = f" Kept without reminders until {moment(endpoint.keep_until)}." if endpoint.keep_until else ""
    return f"Mention me in this thread to talk with it, or `/ft-ask {mrkdwn(endpoint.id)} …`.{kept}"


def _troubles(endpoint: Endpoint) -> str:
    retrying = endpoint.step_error and endpoint.next_at
    return f":hourglass: {mrkdwn(endpoint.step_error)}; it is tried again." if retrying else ""


def _buttons(endpoint: Endpoint) -> list[Element | None]:
    if endpoint.state == "Gone" or endpoint.wanted == "gone":
        return []
    serving = is_serving(endpoint)
    return [
        button("Ask a test row", ASK, endpoint.id, style="primary") if serving else None,
        button("Keep a while", KEEP, endpoint.id) if serving else None,
        _delete(endpoint, None),
    ]


def _delete(endpoint: Endpoint, now: datetime | None) -> Element:
    asked = "The endpoint is deleted and nobody can ask it any more. Its model stays registered."
    label = "Delete now" if now else "Delete"
    return button(label, DELETE, endpoint.id, style="danger", confirm=asked)


def deployed_block(endpoint: Endpoint) -> Block:
    """Say that the endpoint serves, and at what price."""
    return section(
        f":rocket: Deployed: {code(endpoint.id)} serves {code(endpoint.model_name)}. It costs {price_of(endpoint)}, "
        "used or not, until it is deleted. Mention me in this thread to talk with it."
    )
