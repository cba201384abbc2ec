"""What the app says about a thread: status, title, suggested prompts and the agent session's state.

From https://docs.slack.dev/reference/methods/assistant.threads.setStatus and its neighbours.
"""

from bot.local_slack.api import Method
from bot.local_slack.arguments import Arguments
from bot.local_slack.errors import SlackError
from bot.local_slack.limits import Tier
from bot.local_slack.model import Json, Status
from bot.local_slack.routes.places import channel_to_write
from bot.local_slack.services import Services

LOADING_MESSAGES = 10
PROMPTS = 4
SESSION_STATES = ("active", "processing", "suspended", "closed")


def _status(found: Services, arguments: Arguments, *, thread_needed: bool = True) -> Status:
    """Return what is known about the thread that a call means."""
    arguments.required("channel_id", *(["thread_ts"] if thread_needed else []))
    channel = channel_to_write(found, Arguments({"channel": arguments.text("channel_id")}))
    thread_ts = arguments.text("thread_ts")
    if thread_ts and found.workspace.message(channel.id, thread_ts) is None:
        raise SlackError("thread_not_found")
    return found.workspace.statuses.get(f"{channel.id}/{thread_ts}") or Status(channel.id, thread_ts, "")


def set_status(found: Services, arguments: Arguments) -> Json:
    """assistant.threads.setStatus; an empty status takes it away."""
    status = _status(found, arguments)
    messages = arguments.json("loading_messages", "invalid_arguments") or []
    if not isinstance(messages, list) or len(messages) > LOADING_MESSAGES:
        raise SlackError("invalid_arguments")
    status.text, status.loading_messages = arguments.text("status"), [str(message) for message in messages]
    found.workspace.keep_status(status)
    return {}


def set_title(found: Services, arguments: Arguments) -> Json:
    """assistant.threads.setTitle."""
    [title] = arguments.required("title")
    status = _status(found, arguments)
    status.title = title
    found.workspace.keep_status(status)
    return {}


def set_suggested_prompts(found: Services, arguments: Arguments) -> Json:
    """assistant.threads.setSuggestedPrompts."""
    status = _status(found, arguments, thread_needed=False)
    prompts = arguments.objects("prompts", "invalid_arguments")
    if not 0 < len(prompts) <= PROMPTS or not all(prompt.get("title") and prompt.get("message") for prompt in prompts):
        raise SlackError("invalid_arguments")
    status.prompts = prompts
    found.workspace.keep_status(status)
    return {}


def set_session_status(found: Services, arguments: Arguments) -> Json:
    """agents.sessions.setStatus."""
    [state] = arguments.required("status")
    if state not in SESSION_STATES:
        raise SlackError("invalid_arguments", f"[ERROR] invalid status: {state}")
    status = _status(found, arguments, thread_needed=False)
    status.session, status.title = state, arguments.text("title", status.title)
    found.workspace.keep_status(status)
    return {"status": state}


_SCOPES = ("assistant:write", "chat:write")
METHODS = {
    "assistant.threads.setStatus": Method(set_status, Tier.SPECIAL, _SCOPES),
    "assistant.threads.setTitle": Method(set_title, Tier.SPECIAL, ("assistant:write",)),
    "assistant.threads.setSuggestedPrompts": Method(set_suggested_prompts, Tier.SPECIAL, ("assistant:write",)),
    "agents.sessions.setStatus": Method(set_session_status, Tier.THREE, _SCOPES),
}
