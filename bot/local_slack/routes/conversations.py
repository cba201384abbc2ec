"""conversations.*: channels, direct messages, and what was said there.

From https://docs.slack.dev/reference/methods/conversations.history and its neighbours.
"""

import base64
from collections.abc import Sequence
from typing import TypeVar

from bot.local_slack import wire
from bot.local_slack.api import Method, check_scope
from bot.local_slack.arguments import Arguments
from bot.local_slack.errors import SlackError
from bot.local_slack.limits import Tier
from bot.local_slack.model import Channel, Json, Message
from bot.local_slack.routes.places import channel_by_id, member_of, message_json
from bot.local_slack.services import Services

Entry = TypeVar("Entry")
_KINDS = {"channel": "channels", "group": "groups", "im": "im"}


def page(entries: Sequence[Entry], arguments: Arguments, default: int) -> tuple[list[Entry], str]:
    """Return one page of `entries` and the cursor of the next, empty at the end; raises invalid_cursor."""
    try:
        begin = int(base64.b64decode(arguments.text("cursor")).removeprefix(b"next:") or b"0")
    except ValueError:
        raise SlackError("invalid_cursor") from None
    end = begin + arguments.number("limit", default, 999)
    return list(entries[begin:end]), base64.b64encode(f"next:{end}".encode()).decode() if end < len(entries) else ""


def _readable(found: Services, arguments: Arguments, right: str) -> Channel:
    channel = channel_by_id(found, arguments)
    check_scope(found, f"{_KINDS[channel.kind]}:{right}")
    return channel


def list_conversations(found: Services, arguments: Arguments) -> Json:
    """conversations.list."""
    wanted = {kind.strip() for kind in arguments.text("types", "public_channel").split(",")}
    names = {"channel": "public_channel", "group": "private_channel", "im": "im"}
    if wanted - {*names.values(), "mpim"}:
        raise SlackError("invalid_types")
    bot = found.workspace.identity.bot_user_id
    for kind, name in names.items():
        if name in wanted:
            check_scope(found, f"{_KINDS[kind]}:read")
    known = [c for c in found.workspace.channels.values() if names[c.kind] in wanted]
    shown = [c for c in known if c.kind == "channel" or bot in c.members]
    channels, cursor = page(shown, arguments, 100)
    return {"channels": [wire.channel(c, bot) for c in channels], "response_metadata": {"next_cursor": cursor}}


def info(found: Services, arguments: Arguments) -> Json:
    """conversations.info."""
    return {"channel": wire.channel(_readable(found, arguments, "read"), found.workspace.identity.bot_user_id)}


def members(found: Services, arguments: Arguments) -> Json:
    """conversations.members."""
    shown, cursor = page(_readable(found, arguments, "read").members, arguments, 100)
    return {"members": shown, "response_metadata": {"next_cursor": cursor}}


def join(found: Services, arguments: Arguments) -> Json:
    """conversations.join."""
    channel, bot = channel_by_id(found, arguments), found.workspace.identity.bot_user_id
    if channel.kind != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if bot not in channel.members:
        channel.members.append(bot)
        found.workspace.keep_channel(channel)
    return {"channel": wire.channel(channel, bot)}


def open_conversation(found: Services, arguments: Arguments) -> Json:
    """conversations.open, with one person."""
    [users] = arguments.required("users")
    if "," in users:
        raise SlackError("method_not_supported_for_channel_type")
    known = {channel.im_user for channel in found.workspace.channels.values()}
    channel = found.workspace.direct(users)
    return {"channel": {"id": channel.id}, "already_open": users in known, "no_op": users in known}


def history(found: Services, arguments: Arguments) -> Json:
    """conversations.history: a channel's messages without the threads' replies, newest first."""
    channel = member_of(found, _readable(found, arguments, "history"))
    said = [m for m in found.workspace.said_in(channel.id) if not m.is_reply and _within(m.ts, arguments)]
    messages, cursor = page(said[::-1], arguments, 100)
    return _messages(found, messages, cursor, arguments)


def replies(found: Services, arguments: Arguments) -> Json:
    """conversations.replies: a thread's first message and its replies, oldest first."""
    channel = member_of(found, _readable(found, arguments, "history"))
    [ts] = arguments.required("ts")
    root = found.workspace.message(channel.id, ts)
    if root is None or root.only_for:
        raise SlackError("thread_not_found")
    said = [root]
    if not root.is_reply:
        said += [reply for reply in found.workspace.replies(root) if _within(reply.ts, arguments)]
    messages, cursor = page(said, arguments, 999)
    return _messages(found, messages, cursor, arguments)


def _within(ts: str, arguments: Arguments) -> bool:
    oldest, latest = arguments.text("oldest", "0"), arguments.text("latest", "9" * 12)
    inclusive = arguments.flag("inclusive")
    try:
        low, high, at = float(oldest), float(latest), float(ts)
    except ValueError:
        raise SlackError("invalid_ts_oldest") from None
    return low < at < high or (inclusive and ts in (oldest, latest))


def _messages(found: Services, messages: list[Message], cursor: str, arguments: Arguments) -> Json:
    metadata = arguments.flag("include_all_metadata")
    more = {"response_metadata": {"next_cursor": cursor}} if cursor else {}
    shown = [message_json(found, message, metadata=metadata) for message in messages]
    return {"messages": shown, "has_more": bool(cursor), **more}


METHODS = {
    "conversations.list": Method(list_conversations, Tier.TWO),
    "conversations.info": Method(info, Tier.THREE),
    "conversations.members": Method(members, Tier.FOUR),
    "conversations.join": Method(join, Tier.THREE, ("channels:join",)),
    "conversations.open": Method(open_conversation, Tier.THREE, ("im:write",)),
    "conversations.history": Method(history, Tier.THREE),
    "conversations.replies": Method(replies, Tier.THREE),
}
