"""Tells the app what happened, when its manifest subscribes to it.

From https://docs.slack.dev/reference/events.
"""

from bot.local_slack import wire
from bot.local_slack.delivery import Delivery
from bot.local_slack.model import Channel, Json, Message
from bot.local_slack.state import Workspace, new_id

_SUBSCRIPTIONS = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}


class Events:
    """Builds events and hands them to the delivery; the app hears only of conversations that it is in."""

    def __init__(self, workspace: Workspace, delivery: Delivery, subscribed: tuple[str, ...]) -> None:
        """`subscribed` are the manifest's bot events."""
        self._workspace, self._delivery, self._subscribed = workspace, delivery, frozenset(subscribed)

    def posted(self, message: Message) -> None:
        """Tell of a new message: `message`, and `app_mention` too when a person mentions the app in a channel."""
        told = wire.message(message, self._workspace.identity)
        self._message(message.channel, told)
        channel = self._workspace.channels[message.channel]
        mentioned = f"<@{self._workspace.identity.bot_user_id}>" in message.text
        if mentioned and not channel.im_user and not message.bot_id and "app_mention" in self._subscribed:
            self._send(channel, {**told, "type": "app_mention", "channel": channel.id, "event_ts": message.ts})

    def changed(self, message: Message, before: Json) -> None:
        """Tell of an edited message; `before` is how it looked."""
        now = wire.message(message, self._workspace.identity)
        hidden = {"subtype": "message_changed", "message": now, "previous_message": before, "hidden": True}
        self._message(message.channel, {"type": "message", **hidden, "ts": self._workspace.next_ts()})

    def deleted(self, message: Message) -> None:
        """Tell of a message that was deleted."""
        before = wire.message(message, self._workspace.identity)
        hidden = {"subtype": "message_deleted", "deleted_ts": message.ts, "previous_message": before, "hidden": True}
        self._message(message.channel, {"type": "message", **hidden, "ts": self._workspace.next_ts()})

    def home_opened(self, user: str, tab: str) -> None:
        """Tell that a person looks at the app's home."""
        channel = self._workspace.direct(user)
        if "app_home_opened" in self._subscribed:
            told = {"type": "app_home_opened", "user": user, "tab": tab, "channel": channel.id}
            self._send(channel, {**told, "event_ts": self._workspace.next_ts()})

    def _message(self, channel_id: str, told: Json) -> None:
        channel = self._workspace.channels[channel_id]
        if _SUBSCRIPTIONS[channel.kind] in self._subscribed:
            where = {"channel": channel_id, "channel_type": channel.kind, "event_ts": told["ts"]}
            self._send(channel, {**told, **where})

    def _send(self, channel: Channel, event: Json) -> None:
        identity = self._workspace.identity
        if identity.bot_user_id not in channel.members:
            return
        authorization = {
            "enterprise_id": None,
            "team_id": identity.team_id,
            "user_id": identity.bot_user_id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        self._delivery.event(
            {
                "token": identity.verification_token,
                "team_id": identity.team_id,
                "context_team_id": identity.team_id,
                "context_enterprise_id": None,
                "api_app_id": identity.app_id,
                "event": event,
                "type": "event_callback",
                "event_id": new_id("Ev"),
                "event_time": self._workspace.now(),
                "authorizations": [authorization],
                "is_ext_shared_channel": False,
            }
        )
