"""chat.startStream, chat.appendStream and chat.stopStream.

From https://docs.slack.dev/reference/methods/chat.startStream. How long a silent stream stays open is not documented;
apps that Slack refused report about five minutes (vercel/chat issue 607).
"""

from datetime import timedelta

from bot.local_slack.api import Method
from bot.local_slack.arguments import Arguments
from bot.local_slack.blocks import MARKDOWN_CHARACTERS
from bot.local_slack.content import check_blocks, read_metadata
from bot.local_slack.errors import SlackError, missing_argument
from bot.local_slack.limits import Tier
from bot.local_slack.model import Json, Message, Stream, StreamState
from bot.local_slack.routes.chat import new_message, publish
from bot.local_slack.routes.places import channel_by_id, channel_to_write, message_json, message_to_change, thread_root
from bot.local_slack.services import Services

STREAM_LIFE = timedelta(minutes=5)
_TASK_STATES = ("pending", "in_progress", "complete", "error")


def start(found: Services, arguments: Arguments) -> Json:
    """chat.startStream."""
    channel = channel_to_write(found, arguments)
    root = thread_root(found, channel, arguments.text("thread_ts"))
    if channel.im_user and root is None:
        raise missing_argument("thread_ts")
    if not channel.im_user:
        for name in ("recipient_team_id", "recipient_user_id"):
            if not arguments.text(name):
                raise SlackError(f"missing_{name}")
    display = arguments.text("task_display_mode", "timeline")
    if display not in ("timeline", "plan"):
        raise SlackError("invalid_arguments")
    message = new_message(found, channel, arguments, root)
    message.stream = Stream(display, found.clock())
    _append(message, message.stream, arguments)
    publish(found, message)
    return {"channel": channel.id, "ts": message.ts}


def append(found: Services, arguments: Arguments) -> Json:
    """chat.appendStream."""
    message, stream = _streaming(found, arguments)
    if not arguments.text("markdown_text") and not arguments.given.get("chunks"):
        raise missing_argument("markdown_text")
    _append(message, stream, arguments)
    stream.appended = found.clock()
    found.workspace.keep(message)
    return {"channel": message.channel, "ts": message.ts}


def stop(found: Services, arguments: Arguments) -> Json:
    """chat.stopStream."""
    message, stream = _streaming(found, arguments)
    blocks = arguments.objects("blocks", "invalid_blocks_format")
    check_blocks(blocks)
    metadata = read_metadata(arguments)
    _append(message, stream, arguments)
    message.blocks += blocks
    message.metadata = metadata or message.metadata
    stream.move(StreamState.STOPPED)
    found.workspace.keep(message)
    return {"channel": message.channel, "ts": message.ts, "message": message_json(found, message)}


def _streaming(found: Services, arguments: Arguments) -> tuple[Message, Stream]:
    [ts] = arguments.required("ts")
    message = message_to_change(found, channel_by_id(found, arguments), ts, "message_not_owned_by_app")
    stream = message.stream
    if stream and stream.state is StreamState.STREAMING and found.clock() - stream.appended > STREAM_LIFE:
        stream.move(StreamState.EXPIRED)
        found.workspace.keep(message)
    if stream is None or stream.state is not StreamState.STREAMING:
        raise SlackError("message_not_in_streaming_state")
    return message, stream


def _append(message: Message, stream: Stream, arguments: Arguments) -> None:
    """Add a call's text and chunks, all of them or, when one is wrong, none."""
    chunks = arguments.objects("chunks", "invalid_chunks")
    text = arguments.text("markdown_text")
    if text and chunks:
        raise SlackError("cannot_provide_both_markdown_text_and_chunks")
    if text:
        chunks = [{"type": "markdown_text", "text": text}]
    for chunk in chunks:
        _check_chunk(chunk)
    if sum(len(chunk["text"]) for chunk in chunks if chunk["type"] == "markdown_text") > MARKDOWN_CHARACTERS:
        raise SlackError("msg_too_long")
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            message.text += chunk["text"]
        elif chunk["type"] == "plan_update":
            stream.plan_title = chunk["title"]
        elif chunk["type"] == "blocks":
            message.blocks += chunk["blocks"]
        else:
            known = stream.tasks.setdefault(chunk["id"], {})
            joined = {
                name: known[name] + chunk[name] for name in ("details", "output") if known.get(name) and chunk.get(name)
            }
            known |= {name: value for name, value in chunk.items() if value is not None} | joined


def _check_chunk(chunk: Json) -> None:
    kind = chunk.get("type")
    fine = {
        "markdown_text": isinstance(chunk.get("text"), str),
        "plan_update": isinstance(chunk.get("title"), str),
        "task_update": all(isinstance(chunk.get(name), str) for name in ("id", "title"))
        and chunk.get("status", "pending") in _TASK_STATES,
        "blocks": isinstance(chunk.get("blocks"), list),
    }
    if not isinstance(kind, str) or not fine.get(kind):
        raise SlackError("invalid_chunks")
    if kind == "blocks":
        check_blocks(chunk["blocks"])


METHODS = {
    "chat.startStream": Method(start, Tier.TWO, ("chat:write",)),
    "chat.appendStream": Method(append, Tier.FOUR, ("chat:write",)),
    "chat.stopStream": Method(stop, Tier.TWO, ("chat:write",)),
}
