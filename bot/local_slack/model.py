"""What a workspace is made of: its people, channels, messages, streams, files and views, and how they may change."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = dict[str, Any]
"""A JSON object as Slack and the app exchange it: blocks, views, metadata, payloads."""


@dataclass
class Identity:
    """The team, the app and their secrets; drawn once for a folder and kept."""

    team_id: str
    app_id: str
    bot_id: str
    bot_user_id: str
    bot_token: str
    app_token: str
    signing_secret: str
    verification_token: str
    control_token: str
    port: int = 0


@dataclass
class User:
    """A member of the team; `name` is without the @."""

    id: str
    name: str
    real_name: str
    email: str = ""
    bot_id: str = ""


@dataclass
class Channel:
    """A conversation: public (C), private (G) or, when `im_user` names a person, direct messages with the bot (D)."""

    id: str
    name: str
    created: int
    members: list[str]
    private: bool = False
    im_user: str = ""

    @property
    def kind(self) -> str:
        """Return Slack's word for it in scopes and events: channel, group or im."""
        return "im" if self.im_user else "group" if self.private else "channel"


class StreamState(StrEnum):
    """Whether text may still be appended to a streamed message."""

    STREAMING = "streaming"
    STOPPED = "stopped"
    EXPIRED = "expired"
    REPLACED = "replaced"


STREAM_TRANSITIONS = {
    # chat.stopStream, too long a silence, and chat.update on a message that still streams
    StreamState.STREAMING: {StreamState.STOPPED, StreamState.EXPIRED, StreamState.REPLACED},
    StreamState.STOPPED: set(),
    StreamState.EXPIRED: set(),
    StreamState.REPLACED: set(),
}


@dataclass
class Stream:
    """What chat.startStream began: how tasks are shown, the plan, and when the app last appended."""

    display: str
    appended: datetime
    state: StreamState = StreamState.STREAMING
    plan_title: str = ""
    tasks: dict[str, Json] = field(default_factory=dict)

    def move(self, to: StreamState) -> None:
        """Change the state; raises ValueError when the table does not allow it."""
        if to not in STREAM_TRANSITIONS[self.state]:
            raise ValueError(f"a stream that is {self.state} cannot become {to}")
        self.state = to


@dataclass
class Message:
    """A message; `only_for` makes it ephemeral, `deleted` leaves a trace for those who wait for changes."""

    channel: str
    ts: str
    user: str
    text: str
    version: int = 0
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    bot_id: str | None = None
    username: str | None = None
    icons: Json | None = None
    metadata: Json | None = None
    files: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited_ts: str | None = None
    stream: Stream | None = None
    client_msg_id: str | None = None
    only_for: str | None = None
    deleted: bool = False

    @property
    def is_reply(self) -> bool:
        """Return whether it is in a thread without being the thread's first message."""
        return self.thread_ts is not None and self.thread_ts != self.ts


class UploadState(StrEnum):
    """How far a file of the external upload has come."""

    REQUESTED = "requested"
    UPLOADED = "uploaded"
    COMPLETED = "completed"


UPLOAD_TRANSITIONS = {
    UploadState.REQUESTED: {UploadState.UPLOADED},
    UploadState.UPLOADED: {UploadState.UPLOADED, UploadState.COMPLETED},
    UploadState.COMPLETED: set(),
}


@dataclass
class Upload:
    """A file; its bytes lie in the folder `files` under its id. `size` is in bytes."""

    id: str
    name: str
    size: int
    created: int
    state: UploadState = UploadState.REQUESTED
    title: str = ""
    user: str = ""

    def move(self, to: UploadState) -> None:
        """Change the state; raises ValueError when the table does not allow it."""
        if to not in UPLOAD_TRANSITIONS[self.state]:
            raise ValueError(f"a file that is {self.state} cannot become {to}")
        self.state = to


@dataclass
class View:
    """A modal or an App Home; `body` is what the app sent, `owner` whose screen it is on."""

    id: str
    owner: str
    hash: str
    body: Json
    version: int
    root_id: str
    previous_id: str | None = None


@dataclass
class ResponseUrl:
    """A URL with which the app may answer a command or a click, five times within thirty minutes."""

    id: str
    channel: str
    user: str
    created: datetime
    message_ts: str | None = None
    uses: int = 0


@dataclass
class Trigger:
    """What lets the app open a modal for a person, once and within three seconds."""

    id: str
    user: str
    created: datetime
    used: bool = False


@dataclass
class Status:
    """What the app says that it is doing in a thread; an empty `text` says nothing."""

    channel: str
    thread_ts: str
    text: str
    loading_messages: list[str] = field(default_factory=list)
    title: str = ""
    prompts: list[Json] = field(default_factory=list)
    session: str = ""
    version: int = 0
