"""What the app answers to a command or a click: in the acknowledgement, or at the response_url.

From https://docs.slack.dev/interactivity/handling-user-interaction#message_responses.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.local_slack.api import perform
from bot.local_slack.arguments import Arguments, read
from bot.local_slack.content import read_content
from bot.local_slack.errors import SlackError, respond
from bot.local_slack.model import Json
from bot.local_slack.routes.chat import edit, new_message, publish, remove
from bot.local_slack.routes.places import message_json, thread_root
from bot.local_slack.services import Services, services


def answer(found: Services, channel_id: str, user: str, message_ts: str | None, body: Json) -> None:
    """Carry out what the app answered: change or delete the message that was clicked, or post a new one.

    A response reaches conversations that the app is not in. Raises SlackError.
    """
    arguments = Arguments(body)
    original = found.workspace.message(channel_id, message_ts) if message_ts else None
    if arguments.flag("delete_original"):
        if original:
            remove(found, original)
        return
    content = read_content(arguments)
    if arguments.flag("replace_original") and message_ts:
        if original is None:
            raise SlackError("message_not_found", status=404)
        before = message_json(found, original)
        # Unlike chat.update, a response replaces all that was there.
        original.text, original.blocks, original.attachments = "", [], []
        content.write(original)
        edit(found, original, before)
        return
    channel = found.workspace.channels[channel_id]
    message = new_message(found, channel, arguments, thread_root(found, channel, arguments.text("thread_ts")))
    message.only_for = None if arguments.text("response_type") == "in_channel" else user
    content.write(message)
    publish(found, message)


async def receive(request: Request) -> Response:
    """POST response/{id}: `ok`, or an error with HTTP 400 or 404."""
    found, identifier = services(request), request.path_params["id"]
    try:
        given = await read(request)
    except SlackError as error:
        error.status = 400
        return respond(error)

    def effect() -> Json:
        try:
            response = found.workspace.use_response_url(identifier)
            answer(found, response.channel, response.user, response.message_ts, given)
        except SlackError as error:
            error.status = max(error.status, 400)
            raise
        return {}

    answered = await perform(request, "response_url", given, effect)
    return PlainTextResponse("ok") if answered.status_code == 200 else answered
