"""What Slack sends the app when a person runs a command, presses a button or submits a modal.

From https://docs.slack.dev/interactivity and https://docs.slack.dev/reference/interaction-payloads.
"""

from typing import Any

from bot.local_slack import wire
from bot.local_slack.model import Channel, Json, User, View
from bot.local_slack.reading import Control
from bot.local_slack.services import Services


def command(found: Services, user: User, channel: Channel, name: str, text: str) -> Json:
    """Return a slash command's payload, with a new response_url and trigger_id."""
    identity = found.workspace.identity
    return {
        "token": identity.verification_token,
        "team_id": identity.team_id,
        "team_domain": "local",
        "channel_id": channel.id,
        "channel_name": wire.channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": name,
        "text": text,
        "api_app_id": identity.app_id,
        "is_enterprise_install": "false",
        "response_url": response_url(found, channel.id, user.id),
        "trigger_id": found.workspace.new_trigger(user.id),
    }


def response_url(found: Services, channel: str, user: str, message_ts: str | None = None) -> str:
    """Return a new response_url."""
    return f"{found.url}/response/{found.workspace.new_response_url(channel, user, message_ts)}"


def action(control: Control, ts: str, value: str | None) -> Json:
    """Return one entry of `actions`; `value` is what a person typed or picked where no option says it."""
    element = control.element
    told: Json = {
        "type": element["type"],
        "action_id": control.action_id,
        "block_id": control.block_id,
        "action_ts": ts,
    }
    if element["type"] == "feedback_buttons":
        return {**told, "text": control.option["text"], "value": control.option["value"]} if control.option else told
    if control.option is not None:
        many = element["type"] == "checkboxes" or element["type"].startswith("multi_")
        return {**told, "selected_options" if many else "selected_option": [control.option] if many else control.option}
    if element["type"].startswith("users_"):
        return {**told, "selected_user": value}
    told["text"] = element.get("text")
    if (sent := value or element.get("value")) is not None:
        told["value"] = sent
    return told


def _interaction(found: Services, kind: str, user: User) -> Json:
    identity = found.workspace.identity
    who = {"id": user.id, "username": user.name, "name": user.name, "team_id": identity.team_id}
    return {
        "type": kind,
        "user": who,
        "api_app_id": identity.app_id,
        "token": identity.verification_token,
        "team": {"id": identity.team_id, "domain": "local"},
        "enterprise": None,
        "is_enterprise_install": False,
        "trigger_id": found.workspace.new_trigger(user.id),
    }


def message_action(found: Services, user: User, channel: Channel, message: Json, pressed: Json) -> Json:
    """Return a block_actions payload for a press in a message."""
    ephemeral = bool(message.get("is_ephemeral"))
    where = {"type": "message", "message_ts": message["ts"], "channel_id": channel.id, "is_ephemeral": ephemeral}
    if message.get("thread_ts"):
        where["thread_ts"] = message["thread_ts"]
    return {
        **_interaction(found, "block_actions", user),
        "container": where,
        "channel": {"id": channel.id, "name": wire.channel_name(channel)},
        # Slack does not send an ephemeral message back.
        **({} if ephemeral else {"message": message}),
        "state": {"values": {}},
        "response_url": response_url(found, channel.id, user.id, message["ts"]),
        "actions": [pressed],
    }


def view_action(found: Services, user: User, view: View, pressed: Json, values: Json) -> Json:
    """Return a block_actions payload for a press in a modal or a home."""
    return {
        **_interaction(found, "block_actions", user),
        "container": {"type": "view", "view_id": view.id},
        "view": wire.view(view, found.workspace.identity, values),
        "actions": [pressed],
    }


def suggestion(where: Json, control: Control, typed: str) -> Json:
    """Return a block_suggestion payload: a person types into a menu whose options the app knows.

    `where` is what a press at the same place would tell of it.
    """
    told = {name: value for name, value in where.items() if name not in ("actions", "trigger_id", "response_url")}
    named = {"action_id": control.action_id, "block_id": control.block_id, "value": typed}
    return {**told, "type": "block_suggestion", **named}


def submission(found: Services, user: User, view: View, values: Json) -> Json:
    """Return a view_submission payload."""
    told = wire.view(view, found.workspace.identity, values)
    return {**_interaction(found, "view_submission", user), "view": told, "response_urls": []}


def closed(found: Services, user: User, view: View) -> Json:
    """Return a view_closed payload."""
    told = wire.view(view, found.workspace.identity)
    return {**_interaction(found, "view_closed", user), "view": told, "is_cleared": False}


def entered(element: Json, value: Any) -> Json:
    """Return what an input element holds after a person entered `value`; None leaves what the app put there.

    Raises ValueError when a menu has no such option.
    """
    kind = element["type"]
    initial = {name: held for name, held in element.items() if name.startswith("initial_")}
    if value is None and initial:
        value = next(iter(initial.values()))
    if kind in ("static_select", "radio_buttons", "external_select"):
        return {"type": kind, "selected_option": _option(element, value)}
    if kind in ("checkboxes", "multi_static_select"):
        chosen = value if isinstance(value, list) else [] if value is None else [value]
        return {"type": kind, "selected_options": [_option(element, one) for one in chosen]}
    picked = {
        "users_select": "selected_user",
        "conversations_select": "selected_conversation",
        "channels_select": "selected_channel",
        "datepicker": "selected_date",
        "timepicker": "selected_time",
        "datetimepicker": "selected_date_time",
    }
    return {"type": kind, picked.get(kind, "value"): value}


def _option(element: Json, value: Any) -> Json | None:
    if value is None or isinstance(value, dict):
        return value
    groups = element.get("option_groups") or [element]
    for option in (option for group in groups for option in group.get("options", [])):
        if value in (option["value"], option["text"]["text"]):
            found: Json = option
            return found
    raise ValueError(f"there is no option {value!r}")
