"""The workspace: who is in it, what was said, and the rules of saying it. No HTTP."""

import secrets
from datetime import timedelta
from pathlib import Path

from bot.local_slack.changes import Changes
from bot.local_slack.errors import SlackError
from bot.local_slack.model import (
    Channel,
    Identity,
    Json,
    Message,
    ResponseUrl,
    Status,
    Trigger,
    Upload,
    User,
    View,
)
from bot.local_slack.store import Store
from core.clock import Clock

SLACKBOT = "USLACKBOT"
PEOPLE = (
    User("U0ADA", "ada", "Ada Lovelace", "ada@example.com"),
    User("U0GRACE", "grace", "Grace Hopper", "grace@example.com"),
    User("U0ALAN", "alan", "Alan Turing", "alan@example.com"),
)
RESPONSE_URL_USES = 5
RESPONSE_URL_LIFE = timedelta(minutes=30)
TRIGGER_LIFE = timedelta(seconds=3)
VIEW_STACK = 3


def new_id(prefix: str) -> str:
    """Return an id as Slack's are: a letter that says what it is, then capitals and digits."""
    return prefix + "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(10))


def new_identity() -> Identity:
    """Return a new team and app with new secrets."""
    return Identity(
        team_id=new_id("T"),
        app_id=new_id("A"),
        bot_id=new_id("B"),
        bot_user_id=new_id("U"),
        bot_token=f"xoxb-{secrets.token_hex(16)}",
        app_token=f"xapp-1-{secrets.token_hex(16)}",
        signing_secret=secrets.token_hex(16),
        verification_token=secrets.token_hex(12),
        control_token=secrets.token_hex(16),
    )


class Workspace:
    """A team's channels and messages, kept in `store`; every change gets a number from `changes`."""

    def __init__(self, folder: Path, clock: Clock, bot_name: str) -> None:
        """Open the workspace in `folder`, or begin one whose bot is called `bot_name`."""
        self.folder, self.clock, self._bot_name = folder, clock, bot_name
        self.store = Store(folder / "slack.db")
        self._load()
        if not self.users:
            self._begin()

    def _load(self) -> None:
        self.identity = self.store.all(Identity).get("") or new_identity()
        self.store.put("", self.identity)
        self.users = self.store.all(User)
        self.channels = self.store.all(Channel)
        self.messages = self.store.all(Message)
        self.views = self.store.all(View)
        self.uploads = self.store.all(Upload)
        self.response_urls = self.store.all(ResponseUrl)
        self.statuses = self.store.all(Status)
        self.triggers: dict[str, Trigger] = {}
        self.stacks: dict[str, list[str]] = {}
        self.homes = {view.owner: view.id for view in self.views.values() if view.body["type"] == "home"}
        known = (self.messages.values(), self.views.values(), self.statuses.values())
        self.changes = Changes(max((entry.version for entries in known for entry in entries), default=0))
        self._last_ts = max((_micros(m.edited_ts or m.ts) for m in self.messages.values()), default=0)

    def _begin(self) -> None:
        bot = User(self.identity.bot_user_id, self._bot_name, self._bot_name, bot_id=self.identity.bot_id)
        for user in (*PEOPLE, bot, User(SLACKBOT, "slackbot", "Slackbot")):
            self.users[user.id] = user
            self.store.put(user.id, user)
        everyone = [user.id for user in PEOPLE]
        self.add_channel("general", [*everyone, bot.id])
        self.add_channel("random", everyone)

    def reset(self) -> None:
        """Empty the workspace as on its first day; ids, tokens and the clock stay."""
        for kind in (User, Channel, Message, View, Upload, ResponseUrl, Status):
            self.store.clear(kind)
        changes, last = self.changes, self._last_ts
        self._load()
        self.changes, self._last_ts = changes, last
        self._begin()

    # time

    def next_ts(self) -> str:
        """Return a timestamp in microseconds that no message of this workspace has had, later than all before."""
        self._last_ts = max(int(self.clock().timestamp() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def now(self) -> int:
        """Return the clock's time in seconds since 1970."""
        return int(self.clock().timestamp())

    # channels

    def add_channel(self, name: str, members: list[str], *, private: bool = False, im_user: str = "") -> Channel:
        """Create a channel or a direct message."""
        prefix = "D" if im_user else "G" if private else "C"
        channel = Channel(new_id(prefix), name, self.now(), members, private, im_user)
        self.keep_channel(channel)
        return channel

    def keep_channel(self, channel: Channel) -> None:
        """Store a channel that was created or changed."""
        self.channels[channel.id] = channel
        self.store.put(channel.id, channel)
        self.changes.next()

    def channel(self, reference: str) -> Channel:
        """Return a channel by its id or #name; raises channel_not_found."""
        name = reference.removeprefix("#")
        for channel in self.channels.values():
            if channel.id == reference or (name and channel.name == name):
                return channel
        raise SlackError("channel_not_found")

    def direct(self, user: str) -> Channel:
        """Return the direct message between a person and the bot, begun if there is none; raises user_not_found."""
        if user not in self.users or self.users[user].bot_id:
            raise SlackError("user_not_found")
        for channel in self.channels.values():
            if channel.im_user == user:
                return channel
        return self.add_channel("", [user, self.identity.bot_user_id], im_user=user)

    # messages

    def keep(self, message: Message) -> Message:
        """Store a message that was posted or changed, as the workspace's latest change."""
        for block in message.blocks:
            block.setdefault("block_id", secrets.token_urlsafe(4)[:5])
        message.version = self.changes.next()
        self.messages[f"{message.channel}/{message.ts}"] = message
        self.store.put(f"{message.channel}/{message.ts}", message)
        return message

    def delete(self, message: Message) -> None:
        """Take a message away; who waits for changes still learns of it."""
        message.deleted = True
        self.keep(message)

    def message(self, channel: str, ts: str) -> Message | None:
        """Return a message that is still there, ephemeral ones included."""
        found = self.messages.get(f"{channel}/{ts}")
        return None if found is None or found.deleted else found

    def said_in(self, channel: str) -> list[Message]:
        """Return what everyone in the channel can read, oldest first."""
        return sorted(
            (m for m in self.messages.values() if m.channel == channel and not m.deleted and m.only_for is None),
            key=lambda m: m.ts,
        )

    def replies(self, root: Message) -> list[Message]:
        """Return a thread's replies, oldest first."""
        return [m for m in self.said_in(root.channel) if m.is_reply and m.thread_ts == root.ts]

    def visible_to(self, user: str, since: int = 0) -> list[Message]:
        """Return what a person can read and what changed after version `since`, in order of time."""
        mine = {channel.id for channel in self.channels.values() if user in channel.members}
        found = (m for m in self.messages.values() if m.channel in mine and m.version > since)
        return sorted((m for m in found if m.only_for in (None, user)), key=lambda m: m.ts)

    # views

    def keep_view(self, owner: str, body: Json, *, replaces: View | None = None, previous: View | None = None) -> View:
        """Store a view on a person's screen: a new one, a new content of `replaces`, or one on top of `previous`."""
        for block in body.get("blocks", []):
            block.setdefault("block_id", secrets.token_urlsafe(4)[:5])
        identifier = replaces.id if replaces else new_id("V")
        view = View(
            id=identifier,
            owner=owner,
            hash=f"{self.now()}.{secrets.token_hex(4)}",
            body=body,
            version=self.changes.next(),
            root_id=replaces.root_id if replaces else previous.root_id if previous else identifier,
            previous_id=replaces.previous_id if replaces else previous.id if previous else None,
        )
        self.views[view.id] = view
        self.store.put(view.id, view)
        return view

    def screen(self, user: str) -> list[View]:
        """Return the modals open on a person's screen, the one in front last."""
        return [self.views[identifier] for identifier in self.stacks.get(user, [])]

    def show(self, user: str, stack: list[View]) -> None:
        """Make `stack` the modals on a person's screen."""
        self.stacks[user] = [view.id for view in stack]
        self.changes.next()

    # what an interaction allows the app

    def new_trigger(self, user: str) -> str:
        """Return a trigger_id for what a person just did."""
        trigger = Trigger(f"{self._last_ts}.{secrets.token_hex(12)}", user, self.clock())
        self.triggers[trigger.id] = trigger
        return trigger.id

    def use_trigger(self, identifier: str) -> str:
        """Use a trigger_id and return its person; raises Slack's three trigger errors."""
        trigger = self.triggers.get(identifier)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self.clock() - trigger.created > TRIGGER_LIFE:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger.user

    def new_response_url(self, channel: str, user: str, message_ts: str | None = None) -> str:
        """Return the id of a response_url for what a person just did."""
        response = ResponseUrl(secrets.token_hex(12), channel, user, self.clock(), message_ts)
        self.response_urls[response.id] = response
        self.store.put(response.id, response)
        return response.id

    def use_response_url(self, identifier: str) -> ResponseUrl:
        """Use a response_url once; raises expired_url after thirty minutes and used_url after five uses."""
        response = self.response_urls.get(identifier)
        if response is None or self.clock() - response.created > RESPONSE_URL_LIFE:
            raise SlackError("expired_url", status=404)
        if response.uses >= RESPONSE_URL_USES:
            raise SlackError("used_url", status=404)
        response.uses += 1
        self.store.put(response.id, response)
        return response

    def keep_status(self, status: Status) -> None:
        """Store what the app says about a thread."""
        status.version = self.changes.next()
        self.statuses[f"{status.channel}/{status.thread_ts}"] = status
        self.store.put(f"{status.channel}/{status.thread_ts}", status)

    def clear_status(self, channel: str, thread_ts: str | None) -> None:
        """Take the status away, as Slack does when the app answers in the thread."""
        status = self.statuses.get(f"{channel}/{thread_ts}")
        if status and status.text:
            status.text, status.loading_messages = "", []
            self.keep_status(status)

    def keep_upload(self, upload: Upload) -> None:
        """Store what is known about a file."""
        self.uploads[upload.id] = upload
        self.store.put(upload.id, upload)

    def file_path(self, identifier: str) -> Path:
        """Return where a file's bytes are."""
        (self.folder / "files").mkdir(exist_ok=True)
        return self.folder / "files" / identifier

    def keep_port(self, port: int) -> None:
        """Remember where the server answers, so that addresses stay good after a restart."""
        self.identity.port = port
        self.store.put("", self.identity)

    def close(self) -> None:
        """Close the file."""
        self.store.close()


def _micros(ts: str) -> int:
    seconds, micros = ts.split(".")
    return int(seconds) * 1_000_000 + int(micros)
