"""Files as the SDK's files_upload_v2 sends them: ask for a URL, post the bytes, complete.

From https://docs.slack.dev/reference/methods/files.getUploadURLExternal.
"""

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from bot.local_slack import wire
from bot.local_slack.api import Method
from bot.local_slack.arguments import Arguments
from bot.local_slack.content import check_blocks
from bot.local_slack.errors import SlackError
from bot.local_slack.limits import Tier
from bot.local_slack.model import Json, Upload, UploadState
from bot.local_slack.routes.chat import new_message, publish
from bot.local_slack.routes.places import channel_to_write, thread_root
from bot.local_slack.services import Services, services
from bot.local_slack.state import new_id


def get_upload_url(found: Services, arguments: Arguments) -> Json:
    """files.getUploadURLExternal."""
    name, length = arguments.required("filename", "length")
    if not length.isdigit() or int(length) == 0:
        raise SlackError("invalid_arguments", "[ERROR] invalid value: length")
    upload = Upload(new_id("F"), name, int(length), found.workspace.now(), user=found.workspace.identity.bot_user_id)
    found.workspace.keep_upload(upload)
    return {"upload_url": f"{found.url}/upload/v1/{upload.id}", "file_id": upload.id}


async def receive(request: Request) -> Response:
    """POST upload/v1/{file}: the bytes, as the body or as the form field `filename` or `file`."""
    found = services(request)
    upload = found.workspace.uploads.get(request.path_params["file"])
    if upload is None or upload.state is UploadState.COMPLETED:
        return PlainTextResponse("expired", 410)
    if request.headers.get("content-type", "").startswith("multipart/"):
        parts = [part for part in (await request.form()).values() if not isinstance(part, str)]
        content = await parts[0].read() if parts else b""
    else:
        content = await request.body()
    if len(content) != upload.size:
        return PlainTextResponse("size mismatch", 400)
    found.workspace.file_path(upload.id).write_bytes(content)
    upload.move(UploadState.UPLOADED)
    found.workspace.keep_upload(upload)
    return PlainTextResponse(f"OK - {len(content)}")


def complete(found: Services, arguments: Arguments) -> Json:
    """files.completeUploadExternal: shares the files in a channel when one is named."""
    wanted = arguments.objects("files", "invalid_arguments")
    uploads = [found.workspace.uploads.get(str(entry.get("id"))) for entry in wanted]
    ready = [upload for upload in uploads if upload and upload.state is UploadState.UPLOADED]
    if not wanted or len(ready) != len(wanted):
        raise SlackError("file_not_found" if wanted else "invalid_arguments")
    channel = None
    if reference := arguments.text("channel_id"):
        channel = channel_to_write(found, Arguments({"channel": reference}))
    root = thread_root(found, channel, arguments.text("thread_ts")) if channel else None
    blocks = arguments.objects("blocks", "invalid_blocks_format")
    check_blocks(blocks)
    for upload, entry in zip(ready, wanted, strict=True):
        upload.title = str(entry.get("title") or upload.name)
        upload.move(UploadState.COMPLETED)
        found.workspace.keep_upload(upload)
    if channel:
        message = new_message(found, channel, arguments, root)
        message.text, message.blocks = arguments.text("initial_comment"), blocks
        message.files = [upload.id for upload in ready]
        publish(found, message)
    return {"files": [wire.file(upload, found.url) for upload in ready]}


async def download(request: Request) -> Response:
    """GET files/{file}, with the bot's token."""
    found = services(request)
    if request.headers.get("authorization") != f"Bearer {found.workspace.identity.bot_token}":
        return PlainTextResponse("not authorized", 403)
    upload = found.workspace.uploads.get(request.path_params["file"])
    if upload is None or upload.state is not UploadState.COMPLETED:
        return PlainTextResponse("not found", 404)
    return FileResponse(found.workspace.file_path(upload.id), filename=upload.name)


METHODS = {
    "files.getUploadURLExternal": Method(get_upload_url, Tier.FOUR, ("files:write",)),
    "files.completeUploadExternal": Method(complete, Tier.FOUR, ("files:write",)),
}
