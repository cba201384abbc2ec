"""Request bodies as typed structs."""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from core.local_azure.server.errors import MfeError

Body = TypeVar("Body", bound=msgspec.Struct)


async def read(request: Request, type: type[Body]) -> Body:
    """Return the request's JSON body as `type`; raises `MfeError` 400 if it is none. Unknown properties are ignored."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=type)
    except msgspec.DecodeError as error:
        message = f"The request is invalid: {error}"
        raise MfeError(400, "UserError", message, inner=("BadArgument", "ArgumentInvalid")) from None
