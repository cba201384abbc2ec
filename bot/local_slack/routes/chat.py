"""chat.* without streams, and reactions.

From https://docs.slack.dev/reference/methods/chat.postMessage and its neighbours.
"""

from bot.local_slack import wire
from bot.local_slack.api import Method
from bot.local_slack.arguments import Arguments
from bot.local_slack.content import check_update, read_content
from bot.local_slack.errors import SlackError, rate_limited
from bot.local_slack.limits import Tier
from bot.local_slack.model import Channel, Json, Message, StreamState
from bot.local_slack.routes.places import (
    channel_by_id,
    channel_to_write,
    member_of,
    message_json,
    message_to_change,
    thread_root,
)
from bot.local_slack.services import Services


def new_message(found: Services, channel: Channel, arguments: Arguments, thread_ts: str | None) -> Message:
    """Return a message of the app's, not yet posted and without content."""
    identity = found.workspace.identity
    custom = arguments if "chat:write.customize" in found.manifest.bot_scopes else Arguments({})
    emoji, image = custom.text("icon_emoji"), custom.text("icon_url")
    return Message(
        channel=channel.id,
        ts=found.workspace.next_ts(),
        user=identity.bot_user_id,
        text="",
        thread_ts=thread_ts,
        bot_id=identity.bot_id,
        username=custom.text("username") or None,
        icons={"emoji": emoji} if emoji else {"image_36": image} if image else None,
    )


def publish(found: Services, message: Message) -> None:
    """Post a message: people see it, the thread's status goes away, and the app hears of it."""
    found.workspace.keep(message)
    if message.bot_id:
        found.workspace.clear_status(message.channel, message.thread_ts)
    if message.only_for is None:
        found.events.posted(message)


def edit(found: Services, message: Message, before: Json) -> None:
    """Keep a message that the app has changed, marked as edited; `before` is how it looked."""
    if message.stream and message.stream.state is StreamState.STREAMING:
        message.stream.move(StreamState.REPLACED)
    message.edited_ts = found.workspace.next_ts()
    found.workspace.keep(message)
    if message.only_for is None:
        found.events.changed(message, before)


def remove(found: Services, message: Message) -> None:
    """Delete a message."""
    found.workspace.delete(message)
    if message.only_for is None:
        found.events.deleted(message)


def post_message(found: Services, arguments: Arguments) -> Json:
    """chat.postMessage."""
    channel = channel_to_write(found, arguments)
    content = read_content(arguments)
    root = thread_root(found, channel, arguments.text("thread_ts"))
    if seconds := found.rates.retry_posting_after(channel.id, found.clock()):
        raise rate_limited(seconds)
    message = new_message(found, channel, arguments, root)
    content.write(message)
    publish(found, message)
    return {"channel": channel.id, "ts": message.ts, "message": message_json(found, message)}


def post_ephemeral(found: Services, arguments: Arguments) -> Json:
    """chat.postEphemeral."""
    channel = channel_to_write(found, arguments)
    [user] = arguments.required("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    content = read_content(arguments)
    message = new_message(found, channel, arguments, thread_root(found, channel, arguments.text("thread_ts")))
    message.only_for = user
    content.write(message)
    publish(found, message)
    return {"message_ts": message.ts}


def update(found: Services, arguments: Arguments) -> Json:
    """chat.update."""
    channel = channel_by_id(found, arguments)
    [ts] = arguments.required("ts")
    message = message_to_change(found, channel, ts, "cant_update_message")
    content = read_content(arguments)
    check_update(content)
    before = message_json(found, message)
    content.write(message)
    edit(found, message, before)
    return {"channel": channel.id, "ts": ts, "text": message.text, "message": message_json(found, message)}


def delete(found: Services, arguments: Arguments) -> Json:
    """chat.delete."""
    channel = channel_by_id(found, arguments)
    [ts] = arguments.required("ts")
    remove(found, message_to_change(found, channel, ts, "cant_delete_message"))
    return {"channel": channel.id, "ts": ts}


def get_permalink(found: Services, arguments: Arguments) -> Json:
    """chat.getPermalink."""
    channel = channel_by_id(found, arguments)
    [ts] = arguments.required("message_ts")
    message = found.workspace.message(channel.id, ts)
    if message is None or message.only_for:
        raise SlackError("message_not_found")
    return {"channel": channel.id, "permalink": wire.permalink(message, found.url)}


def add_reaction(found: Services, arguments: Arguments) -> Json:
    """reactions.add."""
    name, ts = arguments.required("name", "timestamp")
    channel = member_of(found, channel_by_id(found, arguments))
    message = found.workspace.message(channel.id, ts)
    if message is None or message.only_for:
        raise SlackError("message_not_found")
    users = message.reactions.setdefault(name.strip(":"), [])
    if found.workspace.identity.bot_user_id in users:
        raise SlackError("already_reacted")
    users.append(found.workspace.identity.bot_user_id)
    found.workspace.keep(message)
    return {}


METHODS = {
    "chat.postMessage": Method(post_message, Tier.SPECIAL, ("chat:write",)),
    "chat.postEphemeral": Method(post_ephemeral, Tier.FOUR, ("chat:write",)),
    "chat.update": Method(update, Tier.THREE, ("chat:write",)),
    "chat.delete": Method(delete, Tier.THREE, ("chat:write",)),
    "chat.getPermalink": Method(get_permalink, Tier.SPECIAL),
    "reactions.add": Method(add_reaction, Tier.THREE, ("reactions:write",)),
}
