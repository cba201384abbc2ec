"""A member of the team in front of the local Slack, as the demo and scenario tests tell their story.

ada = slack.person("ada")
ada.runs("/ft-launch model=phi-4")
plan = ada.sees("Launch this fine-tune?")
ada.clicks(plan, "Launch")
ada.sees("queued", thread=plan)
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event

import httpx

from bot.local_slack.control_client import client
from bot.local_slack.model import Json
from bot.local_slack.mrkdwn import plain
from bot.local_slack.reading import controls, lines

PATIENCE = 30.0
"""Seconds of real time that a person waits to see something, unless told otherwise."""

FOLLOWING = 0.5
"""Seconds after which somebody who follows looks whether to go on."""


class SlackRefused(Exception):
    """Slack's page would not do it, or shows an error; `code` is Slack's."""

    def __init__(self, code: str, details: Json | None = None) -> None:
        super().__init__(f"{code} {details or ''}".strip())
        self.code = code


class NotSeen(AssertionError):
    """What a person waited for did not come; says what there was instead."""


@dataclass(frozen=True)
class Message:
    """A message as one person reads it; `names` maps ids of people and channels to names."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json]
    thread_ts: str | None
    edited: bool
    ephemeral: bool
    streaming: bool
    json: Json
    names: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def thread(self) -> str:
        """Return the ts of the thread that it is in, or could begin."""
        return self.thread_ts or self.ts

    @property
    def author(self) -> str:
        """Return the name of who said it."""
        return str(self.json.get("username") or self.names.get(self.user, self.user))

    @property
    def buttons(self) -> list[str]:
        """Return the labels of what can be pressed or chosen."""
        return [control.label for control in controls(self.blocks)]

    @property
    def metadata(self) -> Json:
        """Return the metadata that the app attached, empty without."""
        found: Json = self.json.get("metadata", {})
        return found

    def words(self) -> str:
        """Return it as plain text: streamed text and blocks, or the text when there are none."""
        shown = [plain(self.text, self.names)] if self.text and (not self.blocks or self.json.get("streamed")) else []
        shown += lines(self.blocks, self.names)
        shown += [f"📎 {file['title']}" for file in self.json.get("files", [])]
        return "\n".join(shown)

    def __str__(self) -> str:
        """Return who said what."""
        return f"{self.author}: {self.words()}"


@dataclass(frozen=True)
class View:
    """A modal, or the app's home, on a person's screen."""

    id: str
    title: str
    blocks: list[Json]
    json: Json
    names: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def buttons(self) -> list[str]:
        """Return the labels of what can be pressed or chosen in it."""
        return [control.label for control in controls(self.blocks)]

    def words(self) -> str:
        """Return it as plain text."""
        return "\n".join([*([self.title] if self.title else []), *lines(self.blocks, self.names)])


Sought = str | Callable[[Message], bool]
"""What a person looks for: words in the message's plain text, or a condition."""


class Person:
    """A member of the team. Methods raise SlackRefused for what Slack's page would not do."""

    def __init__(self, control_url: str, control_token: str, user_id: str, channel: str = "general") -> None:
        """`user_id` may also be a name; `channel` is where the person talks, an empty one the app's direct messages."""
        self._http = client(control_url, control_token)
        self._place = channel
        found = self._get("/workspace")
        self.id = next((u["id"] for u in found["users"] if user_id in (u["id"], u["name"])), user_id)
        self._names = {entry["id"]: entry.get("name", "") for entry in (*found["users"], *found["channels"])}

    def in_channel(self, channel: str) -> "Person":
        """Return the same person in another channel."""
        other = object.__new__(Person)
        other.__dict__ = {**self.__dict__, "_place": channel}
        return other

    def directly(self) -> "Person":
        """Return the same person in the app's direct messages."""
        return self.in_channel("")

    # doing

    def says(self, text: str, thread: Message | None = None) -> Message:
        """Say something in the channel, or in the thread of a message; @names become mentions."""
        body = {"text": text, **self._where(thread)}
        return self._message(self._post("/messages", body))

    def runs(self, command: str, thread: Message | None = None) -> None:
        """Run a slash command; what Slack thinks of it, and a timeout, is an ephemeral message that the person sees."""
        self._post("/commands", {"text": command, **self._where(thread)})

    def clicks(self, place: Message | View, button: str, value: str | None = None, **entered: object) -> None:
        """Press a button by action_id or label, or choose an option by label (or `value`); confirmations are taken.

        `entered` are values of the modal's inputs. Raises SlackRefused(operation_timeout) when the app does not
        acknowledge.
        """
        body: Json = {"user": self.id, "button": button, "value": value}
        if isinstance(place, Message):
            body |= {"channel": place.channel, "ts": place.ts}
        else:
            body |= {"view_id": place.id, "values": entered}
        self._raise(self._post("/presses", body))

    def picks(self, view: View, menu: str, typed: str = "") -> Json:
        """Type into a menu of a view whose options the app offers; return the first, to be submitted as its value.

        Raises NotSeen when the app offers none.
        """
        offered = self.offered(view, menu, typed)
        if not offered:
            raise NotSeen(f"{menu} offers nothing for {typed!r}")
        return offered[0]

    def offered(self, view: View, menu: str, typed: str = "") -> list[Json]:
        """Return all options that the app offers for what is typed into a menu of a view."""
        body = {"user": self.id, "view_id": view.id, "menu": menu, "typed": typed}
        options: list[Json] = self._post("/suggestions", body)["options"]
        return options

    def submits(self, values: Json | None = None) -> Json:
        """Submit the modal in front, with values by label, block_id or action_id; return the errors by block_id."""
        answer = self._post("/submissions", {"user": self.id, "values": values or {}})
        self._raise(answer)
        errors: Json = answer["errors"]
        return errors

    def closes(self) -> None:
        """Close the modal in front."""
        self._raise(self._post("/closings", {"user": self.id}))

    def opens_home(self, tab: str = "home") -> None:
        """Look at the app's home; `home` returns what the app publishes there."""
        self._post("/home", {"user": self.id, "tab": tab})

    # seeing

    def sees(
        self, sought: Sought, *, thread: Message | None = None, after: Message | None = None, timeout: float = PATIENCE
    ) -> Message:
        """Return the latest message that fits, anywhere the person can read, waiting for it.

        `thread` looks only there, `after` only at what was posted later. Raises NotSeen after `timeout` seconds.
        """
        deadline, version = time.monotonic() + timeout, 0
        while True:
            left = deadline - time.monotonic()
            if version:
                self._get("/messages", user=self.id, since=version, timeout=max(left, 0))
            version, messages = self._read()
            found = [m for m in messages if _inside(m, thread) and (after is None or m.ts > after.ts)]
            fitting = [m for m in found if (sought in m.words() if isinstance(sought, str) else sought(m))]
            if fitting:
                return fitting[-1]
            if left <= 0:
                there = "\n".join(f"  {message}" for message in found[-8:]) or "  nothing"
                raise NotSeen(f"{sought!r} did not come within {timeout:g} s; there was\n{there}")

    def sees_again(self, message: Message, sought: Sought = "", *, timeout: float = PATIENCE) -> Message:
        """Return the same message as it is now, waiting until it fits; raises NotSeen."""

        def same(other: Message) -> bool:
            fits = sought in other.words() if isinstance(sought, str) else sought(other)
            return other.ts == message.ts and other.channel == message.channel and fits

        return self.sees(same, timeout=timeout)

    def follows(self, stop: Event) -> Iterator[list[Message]]:
        """Yield all that the person reads, each time something changed, until `stop` is set."""
        version, last = 0, False
        while not last:
            last = stop.is_set()
            self._get("/messages", user=self.id, since=version, timeout=0 if last else FOLLOWING)
            version, messages = self._read()
            yield messages

    def channel(self) -> list[Message]:
        """Return what the person reads in the channel, without the threads' replies, oldest first."""
        place = self._channel_id()
        return [m for m in self._read()[1] if m.channel == place and m.thread == m.ts]

    def thread(self, message: Message) -> list[Message]:
        """Return a thread: its first message and the replies, oldest first."""
        return [m for m in self._read()[1] if _inside(m, message)]

    def modal(self, title: str = "", timeout: float = PATIENCE) -> View:
        """Return the modal in front, waiting for it; raises NotSeen."""
        return self._view(lambda views: (views["modals"] or [None])[-1], title, timeout)

    def home(self, words: str = "", timeout: float = PATIENCE) -> View:
        """Return the app's home with these words in it, waiting for it; raises NotSeen."""
        return self._view(lambda views: views["home"], words, timeout)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _view(self, choose: Callable[[Json], Json | None], words: str, timeout: float) -> View:
        deadline, version = time.monotonic() + timeout, 0
        while True:
            left = deadline - time.monotonic()
            answer = self._get("/views", user=self.id, since=version, timeout=max(left, 0))
            version, found = answer["version"], choose(answer)
            if found:
                title = (found.get("title") or {}).get("text", "")
                view = View(found["id"], title, found["blocks"], found, self._names)
                if words in view.words():
                    return view
            if left <= 0:
                raise NotSeen(f"no view with {words!r} within {timeout:g} s")

    def _read(self) -> tuple[int, list[Message]]:
        answer = self._get("/messages", user=self.id)
        return answer["version"], [self._message(entry) for entry in answer["messages"] if not entry["deleted"]]

    def _message(self, told: Json) -> Message:
        return Message(
            channel=told["channel"],
            ts=told["ts"],
            user=told["user"],
            text=told["text"],
            blocks=told.get("blocks", []),
            thread_ts=told.get("thread_ts"),
            edited="edited" in told,
            ephemeral=bool(told.get("only_for")),
            streaming="streaming_state" in told,
            json=told,
            names=self._names,
        )

    def _where(self, thread: Message | None) -> Json:
        if thread is None:
            return {"user": self.id, "channel": self._place}
        return {"user": self.id, "channel": thread.channel, "thread_ts": thread.thread}

    def _channel_id(self) -> str:
        channels = self._get("/workspace")["channels"]
        mine = (
            c["id"] for c in channels if (c.get("user") == self.id if not self._place else c.get("name") == self._place)
        )
        return str(next(mine, self._place))

    @staticmethod
    def _raise(answer: Json) -> None:
        if answer.get("error"):
            raise SlackRefused(answer["error"])

    def _get(self, path: str, **query: str | float) -> Json:
        return self._answer(self._http.get(path, params=query))

    def _post(self, path: str, body: Json) -> Json:
        return self._answer(self._http.post(path, json=body))

    @staticmethod
    def _answer(response: httpx.Response) -> Json:
        answer: Json = response.json()
        if response.is_error:
            raise SlackRefused(answer["error"], answer)
        return answer


def _inside(message: Message, thread: Message | None) -> bool:
    return thread is None or (message.channel == thread.channel and thread.thread in (message.ts, message.thread_ts))
