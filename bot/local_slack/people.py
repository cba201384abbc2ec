"""What people do in the workspace, and what Slack shows them when the app does not answer."""

from typing import Any

from bot.local_slack import payloads, wire
from bot.local_slack.content import check_suggested, check_view
from bot.local_slack.delivery import Kind, NotAcknowledged
from bot.local_slack.errors import SlackError
from bot.local_slack.model import Channel, Json, Message, User, View
from bot.local_slack.mrkdwn import typed
from bot.local_slack.reading import Control, controls, inputs
from bot.local_slack.routes.chat import publish
from bot.local_slack.routes.places import message_json, thread_root
from bot.local_slack.routes.responses import answer
from bot.local_slack.services import Services
from bot.local_slack.state import SLACKBOT, VIEW_STACK


class Person:
    """One member of the team in front of Slack; methods raise SlackError for what Slack's page would not allow."""

    def __init__(self, found: Services, user_id: str) -> None:
        """Raises user_not_found."""
        user = found.workspace.users.get(user_id)
        if user is None or user.bot_id or user.id == SLACKBOT:
            raise SlackError("user_not_found")
        self._found, self._workspace, self._user = found, found.workspace, user

    def channel(self, reference: str) -> Channel:
        """Return a channel that the person is in; an empty reference is the direct message with the app."""
        if not reference:
            return self._workspace.direct(self._user.id)
        channel = self._workspace.channel(reference)
        if self._user.id not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def say(self, channel: Channel, text: str, thread_ts: str | None) -> Message:
        """Say something in a channel or a thread."""
        root = thread_root(self._found, channel, thread_ts or "")
        names = {user.name: user.id for user in self._workspace.users.values()}
        ts = self._workspace.next_ts()
        said = Message(channel.id, ts, self._user.id, typed(text, names), thread_ts=root, client_msg_id=f"local-{ts}")
        publish(self._found, said)
        return said

    async def run(self, channel: Channel, command: str, text: str, thread_ts: str | None) -> str | None:
        """Run a slash command; return the error that Slack shows, None when the app answered."""
        if thread_ts:
            self._slackbot(channel, f"{command} is not supported in threads. Sorry!", thread_ts)
            return "not_supported_in_threads"
        if command not in self._found.manifest.commands:
            self._slackbot(channel, f"{command} is not a valid command.")
            return "unknown_command"
        payload = payloads.command(self._found, self._user, channel, command, text)
        try:
            answered = await self._found.delivery.deliver(Kind.COMMAND, payload)
            if answered:
                answer(self._found, channel.id, self._user.id, None, answered)
        except NotAcknowledged as refusal:
            self._slackbot(channel, f'{command} failed with the error "{refusal.code}"')
            return refusal.code
        return None

    async def press_in_message(self, channel: Channel, ts: str, button: str, value: str | None) -> str | None:
        """Press a button of a message, by action_id or label; return the error that Slack shows beside it."""
        message = self._workspace.message(channel.id, ts)
        if message is None or message.only_for not in (None, self._user.id):
            raise SlackError("message_not_found")
        control = self._find(message.blocks, button, value)
        pressed = payloads.action(control, self._workspace.next_ts(), value)
        told = message_json(self._found, message)
        return await self._interact(payloads.message_action(self._found, self._user, channel, told, pressed))

    async def press_in_view(self, view_id: str, button: str, value: str | None, values: Json) -> str | None:
        """Press a button of a modal or the home, by action_id or label; return the error that Slack shows."""
        view = self._on_screen(view_id)
        control = self._find(view.body["blocks"], button, value)
        pressed = payloads.action(control, self._workspace.next_ts(), value)
        entered = self._entered(view, values)
        return await self._interact(payloads.view_action(self._found, self._user, view, pressed, entered))

    async def suggest(self, view_id: str, menu: str, typed: str, values: Json) -> list[Json]:
        """Type into a menu of a modal or the home, by action_id or label; return the options that the app offers.

        Raises the error that Slack shows when the app does not answer, and invalid_arguments for options that it would
        not take.
        """
        view = self._on_screen(view_id)
        control = self._menu(view.body["blocks"], menu)
        where = payloads.view_action(self._found, self._user, view, {}, self._entered(view, values))
        try:
            answered = await self._found.delivery.deliver(Kind.INTERACTION, payloads.suggestion(where, control, typed))
        except NotAcknowledged as refusal:
            raise SlackError(refusal.code) from None
        return check_suggested(answered or {})

    async def submit(self, values: Json) -> Json:
        """Submit the modal in front, with values by label, block_id or action_id.

        Return `errors` by block_id, as the app or Slack's page shows them, and `error` when the app did not answer.
        """
        stack = self._workspace.screen(self._user.id)
        if not stack:
            raise SlackError("view_not_found")
        view = stack[-1]
        entered = self._entered(view, values)
        if missing := self._missing(view, entered):
            return {"errors": missing, "error": None}
        payload = payloads.submission(self._found, self._user, view, entered)
        try:
            answered = await self._found.delivery.deliver(Kind.INTERACTION, payload) or {}
        except NotAcknowledged as refusal:
            return {"errors": {}, "error": refusal.code}
        return {"errors": self._obey(view, answered), "error": None}

    async def close(self) -> str | None:
        """Close the modal in front; the app hears of it when the modal asks for that."""
        stack = self._workspace.screen(self._user.id)
        if not stack:
            raise SlackError("view_not_found")
        self._workspace.show(self._user.id, stack[:-1])
        if stack[-1].body.get("notify_on_close"):
            return await self._interact(payloads.closed(self._found, self._user, stack[-1]))
        return None

    def open_home(self, tab: str) -> None:
        """Look at the app's home."""
        self._found.events.home_opened(self._user.id, tab)

    def views(self) -> Json:
        """Return what is on the person's screen: the home as published, and the modals, the one in front last."""
        identity, home = self._workspace.identity, self._workspace.homes.get(self._user.id)
        return {
            "home": wire.view(self._workspace.views[home], identity) if home else None,
            "modals": [wire.view(view, identity) for view in self._workspace.screen(self._user.id)],
        }

    def _obey(self, view: View, answered: Json) -> Json:
        """Do with the modal what the app answered to its submission; return the errors to show."""
        stack = self._workspace.screen(self._user.id)
        kind = answered.get("response_action")
        below = [other for other in stack if other.id != view.id]
        if kind == "errors":
            errors: Json = answered.get("errors", {})
            return errors
        if kind == "clear":
            self._workspace.show(self._user.id, [])
        elif kind == "update":
            body = check_view(answered.get("view"), "modal")
            self._workspace.keep_view(self._user.id, body, replaces=view)
            self._workspace.changes.tell()
        elif kind == "push":
            if len(stack) >= VIEW_STACK:
                raise SlackError("push_limit_reached")
            body = check_view(answered.get("view"), "modal")
            self._workspace.show(self._user.id, [*stack, self._workspace.keep_view(self._user.id, body, previous=view)])
        else:
            self._workspace.show(self._user.id, below)
        return {}

    async def _interact(self, payload: Json) -> str | None:
        try:
            await self._found.delivery.deliver(Kind.INTERACTION, payload)
        except NotAcknowledged as refusal:
            return refusal.code
        return None

    def _slackbot(self, channel: Channel, text: str, thread_ts: str | None = None) -> None:
        ts = self._workspace.next_ts()
        self._workspace.keep(Message(channel.id, ts, SLACKBOT, text, thread_ts=thread_ts, only_for=self._user.id))

    def _on_screen(self, view_id: str) -> View:
        mine = [*self._workspace.stacks.get(self._user.id, []), self._workspace.homes.get(self._user.id)]
        if view_id not in mine:
            raise SlackError("view_not_found")
        return self._workspace.views[view_id]

    def _find(self, blocks: list[Json], button: str, value: str | None) -> Control:
        """Return the control that is meant: by action_id (and an option's value or label) or by its label."""
        shown = [c for c in controls(blocks) if self._user.id in c.element.get("visible_to_user_ids", [self._user.id])]
        for control in shown:
            by_id = control.action_id == button
            option = control.option
            if option is None and (by_id or control.label == button):
                return control
            chosen = option is not None and value in (option.get("value"), control.label)
            if option is not None and (control.label == button or (by_id and chosen)):
                return control
        raise SlackError("action_not_found", seen=[control.label for control in shown])

    @staticmethod
    def _menu(blocks: list[Json], menu: str) -> Control:
        """Return the menu that is meant, by action_id or by its input's label."""
        for block, element in inputs(blocks):
            label = block["label"]["text"] if block["type"] == "input" else ""
            if element["type"].endswith("external_select") and menu in (label, element.get("action_id")):
                return Control(label, block["block_id"], element)
        raise SlackError("action_not_found")

    @staticmethod
    def _entered(view: View, values: Json) -> Json:
        """Return the view's state: what was entered where, or what the app put there."""
        state: Json = {}
        unknown = set(values)
        for block, element in inputs(view.body["blocks"]):
            label = block["label"]["text"] if block["type"] == "input" else ""
            keys = [key for key in (label, block["block_id"], element.get("action_id", "")) if key in values]
            unknown.difference_update(keys)
            value: Any = values[keys[0]] if keys else None
            held = payloads.entered(element, value)
            state.setdefault(block["block_id"], {})[element.get("action_id", "")] = held
        if unknown:
            raise SlackError("input_not_found", unknown=sorted(unknown))
        return state

    @staticmethod
    def _missing(view: View, entered: Json) -> Json:
        """Return Slack's own complaint for each input that must be filled and is not."""
        complaints: Json = {}
        for block in view.body["blocks"]:
            if block["type"] != "input" or block.get("optional"):
                continue
            [held] = entered[block["block_id"]].values()
            if not [value for name, value in held.items() if name != "type" and value not in (None, "", [])]:
                complaints[block["block_id"]] = "Please complete this required field."
        return complaints


def find_user(found: Services, reference: str) -> User:
    """Return a user by id or name; raises user_not_found."""
    for user in found.workspace.users.values():
        if reference in (user.id, user.name):
            return user
    raise SlackError("user_not_found")
