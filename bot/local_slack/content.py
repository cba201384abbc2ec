"""What an app wants to say: read from a call's arguments and checked by Slack's rules for messages and views."""

import json
from dataclasses import dataclass

from bot.local_slack.arguments import Arguments
from bot.local_slack.blocks import (
    MARKDOWN_CHARACTERS,
    MESSAGE_CHARACTERS,
    message_problems,
    suggestion_problems,
    view_problems,
    written_characters,
)
from bot.local_slack.errors import SlackError, missing_argument
from bot.local_slack.model import Json, Message

MESSAGE_TEXT = 40_000
UPDATED_TEXT_BYTES = 4_000
"""Of chat.update's text after & < > are escaped; more is msg_too_long (gitlab-org/gitlab merge request 258898)."""
ATTACHMENTS = 100
METADATA_BYTES = 16_000


@dataclass
class Content:
    """A message's content; None means that the argument was not sent."""

    text: str | None
    blocks: list[Json] | None
    attachments: list[Json] | None
    metadata: Json | None

    def write(self, message: Message) -> None:
        """Put what was sent into a message and keep the rest."""
        for name, value in vars(self).items():
            if value is not None:
                setattr(message, name, value)


def read_content(arguments: Arguments) -> Content:
    """Return a message's content; raises Slack's errors for what it would not accept."""
    given = arguments.given
    content = Content(
        text=arguments.text("text") if "text" in given else None,
        blocks=arguments.objects("blocks", "invalid_blocks_format") if "blocks" in given else None,
        attachments=arguments.objects("attachments", "invalid_attachments") if "attachments" in given else None,
        metadata=read_metadata(arguments),
    )
    if markdown := arguments.text("markdown_text"):
        if content.text or content.blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MARKDOWN_CHARACTERS:
            raise SlackError("msg_too_long")
        content.text = markdown
    if not (content.text or content.blocks or content.attachments):
        raise SlackError("no_text")
    if len(content.text or "") > MESSAGE_TEXT:
        raise SlackError("msg_too_long")
    if len(content.attachments or []) > ATTACHMENTS:
        raise SlackError("too_many_attachments")
    check_blocks(content.blocks or [])
    return content


def check_blocks(blocks: list[Json]) -> None:
    """Raise invalid_blocks or msg_blocks_too_long for blocks that a message cannot have."""
    if problems := list(message_problems(blocks)):
        raise SlackError("invalid_blocks", *problems, errors=[p.removeprefix("[ERROR] ") for p in problems])
    if written_characters(blocks) > MESSAGE_CHARACTERS:
        raise SlackError("msg_blocks_too_long")


def check_update(content: Content) -> None:
    """Raise msg_too_long for a text that may be posted but is too long for chat.update."""
    escaped = (content.text or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(escaped.encode()) > UPDATED_TEXT_BYTES:
        raise SlackError("msg_too_long")


def read_metadata(arguments: Arguments) -> Json | None:
    """Return a message's metadata; raises invalid_metadata_format or metadata_too_large."""
    metadata = arguments.json("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    well_formed = (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    )
    if not well_formed:
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata).encode()) > METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return {"event_type": metadata["event_type"], "event_payload": metadata["event_payload"]}


def read_view(arguments: Arguments, kind: str) -> Json:
    """Return the view of a call, a modal or a home; raises invalid_arguments."""
    view = arguments.json("view", "invalid_arguments")
    if view is None:
        raise missing_argument("view")
    return check_view(view, kind)


def check_view(view: object, kind: str) -> Json:
    """Return `view` when it is a proper modal or home; raises invalid_arguments."""
    problems = list(view_problems(view))
    if isinstance(view, dict) and view.get("type") != kind:
        problems.append(f"[ERROR] expected a view of type {kind} [json-pointer:/view/type]")
    if problems or not isinstance(view, dict):
        raise SlackError("invalid_arguments", *problems)
    return {name: value for name, value in view.items() if value is not None}


def check_suggested(answer: Json) -> list[Json]:
    """Return the options that an app offers, those of groups in one list; raises invalid_arguments."""
    if problems := list(suggestion_problems(answer)):
        raise SlackError("invalid_arguments", *problems)
    groups = answer.get("option_groups") or [answer]
    return [option for group in groups for option in group.get("options", [])]
