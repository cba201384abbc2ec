"""Blob storage as the storage client of azure-ai-ml uses it; every call carries a shared access signature."""

from collections.abc import Awaitable, Callable
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from core.local_azure.server import sas, state_blobs, wire_blobs
from core.local_azure.server.errors import BlobError
from core.local_azure.server.services import services
from core.local_azure.server.state_blobs import Blob

PAGE = 5000


async def list_blobs(request: Request) -> Response:
    """GET container?comp=list, and the container's properties without it."""
    found, query, container = services(request), request.query_params, request.path_params["container"]
    if query.get("comp") != "list":
        return Response(headers={"ETag": '"0x1"', "x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"})
    prefix, size = query.get("prefix", ""), min(int(query.get("maxresults", PAGE)), PAGE)
    blobs = list(islice(state_blobs.list_blobs(found, container, prefix, query.get("marker", "")), size + 1))
    marker = blobs[size - 1].name if len(blobs) > size else ""
    document = wire_blobs.listing(
        found.workspace.blob_url, container, prefix, query.get("delimiter", ""), blobs[:size], marker
    )
    return Response(document, media_type="application/xml")


async def put_container(request: Request) -> Response:
    """PUT container: all containers exist."""
    raise BlobError(409, "ContainerAlreadyExists", "The specified container already exists.")


async def get_blob(request: Request) -> Response:
    """GET and HEAD a blob, whole or in part."""
    blob = _find(request)
    headers = wire_blobs.blob_headers(blob)
    if request.method == "HEAD":
        return Response(headers=headers | {"Content-Length": str(blob.size)})
    wanted = request.headers.get("x-ms-range") or request.headers.get("range")
    part = wire_blobs.byte_range(wanted, blob.size)
    start, end = part or (0, blob.size)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
        # Content-MD5 of a part would be that part's.
        headers.pop("Content-MD5", None)
    return StreamingResponse(state_blobs.read(blob, start, end), 206 if part else 200, headers)


async def put_blob(request: Request) -> Response:
    """PUT a blob, one of its blocks, its block list or its metadata."""
    found, comp = services(request), request.query_params.get("comp")
    container, name = request.path_params["container"], request.path_params["name"]
    if comp == "metadata":
        blob = state_blobs.describe(found, container, _find(request), wire_blobs.metadata(request.headers))
        return Response(headers=wire_blobs.written_headers(blob))
    if comp == "block":
        await state_blobs.write_block(found, container, name, request.query_params["blockid"], request.stream())
        return Response(status_code=201, headers={"x-ms-request-server-encrypted": "true"})
    if request.headers.get("if-none-match") == "*" and state_blobs.locate(found, container, name).exists():
        raise BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")
    said = wire_blobs.description(request.headers)
    if comp == "blocklist":
        blocks = wire_blobs.block_list(await request.body())
        blob = state_blobs.commit_blocks(found, container, name, blocks, said)
    elif comp is None:
        blob = await state_blobs.write(found, container, name, request.stream(), said)
    else:
        raise BlobError(400, "InvalidQueryParameterValue", f"comp={comp} is not supported by this blob store.")
    return Response(status_code=201, headers=wire_blobs.written_headers(blob))


async def delete_blob(request: Request) -> Response:
    """DELETE a blob."""
    state_blobs.delete(services(request), request.path_params["container"], _find(request))
    return Response(status_code=202)


def _find(request: Request) -> Blob:
    blob = state_blobs.find(services(request), request.path_params["container"], request.path_params["name"])
    if request.headers.get("if-match") not in (None, "*", blob.etag):
        raise BlobError(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
    return blob


Handler = Callable[[Request], Awaitable[Response]]


def _signed(handler: Handler) -> Handler:
    """Return `handler` behind the check of the signature; its answers repeat the version asked for, as recorded."""

    async def checked(request: Request) -> Response:
        sas.check(services(request).workspace, dict(request.query_params))
        answer = await handler(request)
        answer.headers["x-ms-version"] = request.headers.get("x-ms-version", sas.VERSION)
        return answer

    return checked


CONTAINER = "/blob/localstore.blob.local/{container}"

routes = [
    Route(CONTAINER, _signed(list_blobs), methods=["GET"]),
    Route(CONTAINER, _signed(put_container), methods=["PUT"]),
    Route(CONTAINER + "/{name:path}", _signed(get_blob), methods=["GET"]),
    Route(CONTAINER + "/{name:path}", _signed(put_blob), methods=["PUT"]),
    Route(CONTAINER + "/{name:path}", _signed(delete_blob), methods=["DELETE"]),
]
