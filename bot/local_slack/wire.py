"""From the workspace's state to Slack's JSON; pure.

Shapes from https://docs.slack.dev/reference (objects, events, interaction payloads).
"""

from collections.abc import Sequence
from typing import Any

from bot.local_slack.model import Channel, Identity, Json, Message, Stream, StreamState, Upload, User, View


def user(found: User, identity: Identity) -> Json:
    """Return a user object."""
    profile = {"real_name": found.real_name, "display_name": found.name}
    if found.email:
        profile["email"] = found.email
    if found.bot_id:
        profile |= {"bot_id": found.bot_id, "api_app_id": identity.app_id}
    return {
        "id": found.id,
        "team_id": identity.team_id,
        "name": found.name,
        "real_name": found.real_name,
        "deleted": False,
        "is_bot": bool(found.bot_id),
        "is_app_user": False,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": profile,
    }


def channel(found: Channel, bot_user: str) -> Json:
    """Return a conversation object."""
    if found.im_user:
        return {"id": found.id, "created": found.created, "is_im": True, "user": found.im_user, "is_archived": False}
    return {
        "id": found.id,
        "name": found.name,
        "name_normalized": found.name,
        "created": found.created,
        "is_channel": not found.private,
        "is_group": found.private,
        "is_im": False,
        "is_mpim": False,
        "is_private": found.private,
        "is_archived": False,
        "is_general": found.name == "general",
        "is_member": bot_user in found.members,
        "num_members": len(found.members),
    }


def channel_name(found: Channel) -> str:
    """Return a channel's name as commands and interactions tell it."""
    return "directmessage" if found.im_user else found.name


def file(found: Upload, base: str) -> Json:
    """Return a file object."""
    return {
        "id": found.id,
        "name": found.name,
        "title": found.title or found.name,
        "size": found.size,
        "created": found.created,
        "user": found.user,
        "mode": "hosted",
        "permalink": f"{base}/files/{found.id}",
        "url_private": f"{base}/files/{found.id}",
    }


def permalink(message: Message, base: str) -> str:
    """Return a message's address in the web client."""
    suffix = f"?thread_ts={message.thread_ts}&cid={message.channel}" if message.is_reply else ""
    return f"{base}/archives/{message.channel}/p{message.ts.replace('.', '')}{suffix}"


def stream_blocks(stream: Stream) -> list[Json]:
    """Return the tasks of a streamed message as blocks: one plan, or a card for each task."""
    cards = [
        {
            "type": "task_card",
            **{name: value for name, value in task.items() if name not in ("type", "id")},
            "task_id": key,
        }
        for key, task in stream.tasks.items()
    ]
    if stream.display == "plan" and (cards or stream.plan_title):
        return [{"type": "plan", "title": stream.plan_title or "Plan", "tasks": cards}]
    return cards


def message(
    found: Message,
    identity: Identity,
    *,
    replies: Sequence[Message] = (),
    metadata: bool = True,
    files: Sequence[Json] = (),
) -> Json:
    """Return a message object; `replies` are a thread's, `files` those that belong to it."""
    answer: Json = {"type": "message", "user": found.user, "ts": found.ts, "text": found.text, "team": identity.team_id}
    blocks = [*(stream_blocks(found.stream) if found.stream else []), *found.blocks]
    optional: dict[str, Any] = {
        "blocks": blocks,
        "attachments": found.attachments,
        "thread_ts": found.thread_ts,
        "bot_id": found.bot_id,
        "app_id": identity.app_id if found.bot_id else None,
        "username": found.username,
        "icons": found.icons,
        "client_msg_id": found.client_msg_id,
        "metadata": found.metadata if metadata else None,
        "files": list(files),
        "is_ephemeral": True if found.only_for else None,
        "edited": {"user": found.user, "ts": found.edited_ts} if found.edited_ts else None,
        "reactions": [
            {"name": name, "users": users, "count": len(users)} for name, users in found.reactions.items() if users
        ],
        "streaming_state": found.stream.state if found.stream and found.stream.state == StreamState.STREAMING else None,
    }
    answer |= {name: value for name, value in optional.items() if value}
    if found.bot_id:
        answer["bot_profile"] = {"id": found.bot_id, "app_id": identity.app_id, "team_id": identity.team_id}
    if files:
        answer["subtype"] = "file_share"
    if replies:
        answer |= {
            "thread_ts": found.ts,
            "reply_count": len(replies),
            "reply_users": sorted({reply.user for reply in replies}),
            "latest_reply": replies[-1].ts,
        }
    return answer


def view(found: View, identity: Identity, values: Json | None = None) -> Json:
    """Return a view object; `values` are what a person has entered, by block_id and action_id."""
    defaults: Json = {"private_metadata": "", "callback_id": "", "external_id": "", "title": None, "close": None}
    return {
        **defaults,
        "submit": None,
        "clear_on_close": False,
        "notify_on_close": False,
        **found.body,
        "id": found.id,
        "team_id": identity.team_id,
        "app_id": identity.app_id,
        "app_installed_team_id": identity.team_id,
        "bot_id": identity.bot_id,
        "hash": found.hash,
        "root_view_id": found.root_id,
        "previous_view_id": found.previous_id,
        "state": {"values": values or {}},
    }
