"""Finding the conversation and the message that a call means, and what the app may do there."""

from bot.local_slack import wire
from bot.local_slack.arguments import Arguments
from bot.local_slack.errors import SlackError
from bot.local_slack.model import Channel, Json, Message
from bot.local_slack.services import Services


def channel_to_write(found: Services, arguments: Arguments) -> Channel:
    """Return the channel, by id, name or person; raises channel_not_found or not_in_channel."""
    workspace, reference = found.workspace, arguments.text("channel")
    if reference in workspace.users and not workspace.users[reference].bot_id:
        return workspace.direct(reference)
    channel = workspace.channel(reference)
    if workspace.identity.bot_user_id not in channel.members:
        raise SlackError("channel_not_found" if channel.private else "not_in_channel")
    return channel


def channel_by_id(found: Services, arguments: Arguments) -> Channel:
    """Return the channel by its id, one that the app can see; raises channel_not_found."""
    channel = found.workspace.channels.get(arguments.text("channel"))
    if channel is None:
        raise SlackError("channel_not_found")
    if channel.private and found.workspace.identity.bot_user_id not in channel.members:
        raise SlackError("channel_not_found")
    return channel


def member_of(found: Services, channel: Channel) -> Channel:
    """Return a channel that the app is in; raises not_in_channel."""
    if found.workspace.identity.bot_user_id not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def message_to_change(found: Services, channel: Channel, ts: str, refusal: str) -> Message:
    """Return a message of the app's own; raises message_not_found, or `refusal` for somebody else's."""
    message = found.workspace.message(channel.id, ts)
    # An ephemeral message can only be changed with its response_url.
    if message is None or message.only_for:
        raise SlackError("message_not_found")
    if message.user != found.workspace.identity.bot_user_id:
        raise SlackError(refusal)
    return message


def thread_root(found: Services, channel: Channel, thread_ts: str) -> str | None:
    """Return the thread to post in, None for the channel itself; raises when no thread can begin there."""
    if not thread_ts:
        return None
    root = found.workspace.message(channel.id, thread_ts)
    if root is None:
        raise SlackError("thread_not_found")
    # Nobody can reply to what one person alone sees, and threads have no threads.
    if root.is_reply or root.only_for:
        raise SlackError("cannot_reply_to_message")
    return root.ts


def message_json(found: Services, message: Message, *, metadata: bool = True) -> Json:
    """Return a message object with its thread's and its files' fields."""
    return wire.message(
        message,
        found.workspace.identity,
        replies=[] if message.is_reply else found.workspace.replies(message),
        metadata=metadata,
        files=[wire.file(found.workspace.uploads[name], found.url) for name in message.files],
    )
