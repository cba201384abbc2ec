"""A Web API call's arguments, however they were sent: JSON, form or query."""

import json
from typing import Any

from starlette.requests import Request

from bot.local_slack.errors import SlackError, missing_argument
from bot.local_slack.model import Json


class Arguments:
    """The arguments of one call, read as the kinds that the methods expect."""

    def __init__(self, given: Json) -> None:
        """`given` are the arguments as they were sent; None counts as not sent."""
        self.given = {name: value for name, value in given.items() if value is not None}

    def text(self, name: str, default: str = "") -> str:
        """Return a string."""
        value = self.given.get(name, default)
        return value if isinstance(value, str) else str(value)

    def required(self, *names: str) -> list[str]:
        """Return strings; raises invalid_arguments when one is missing or empty."""
        missing = [name for name in names if not self.text(name)]
        if missing:
            raise missing_argument(*missing)
        return [self.text(name) for name in names]

    def flag(self, name: str) -> bool:
        """Return a boolean, false when it is missing."""
        return self.text(name).lower() in ("true", "1")

    def number(self, name: str, default: int, most: int) -> int:
        """Return a positive whole number, at most `most`; raises invalid_limit."""
        value = self.text(name, str(default))
        if not value.isdigit() or int(value) == 0:
            raise SlackError("invalid_limit")
        return min(int(value), most)

    def json(self, name: str, error: str) -> Any:
        """Return a value that was sent as JSON or as JSON in a string; raises `error` when it is neither."""
        value = self.given.get(name)
        if isinstance(value, str):
            try:
                return json.loads(value) if value else None
            except ValueError:
                raise SlackError(error) from None
        return value

    def objects(self, name: str, error: str) -> list[Json]:
        """Return a list of JSON objects, empty when it is missing; raises `error`."""
        value = self.json(name, error)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise SlackError(error)
        return value


async def read(request: Request) -> Json:
    """Return the arguments of a request from its query and body, an empty body included; raises invalid_json."""
    given: Json = dict(request.query_params)
    body = await request.body()
    kind = request.headers.get("content-type", "")
    if "json" in kind:
        try:
            more = json.loads(body or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(more, dict):
            raise SlackError("json_not_object")
        given.update(more)
    elif body and ("form" in kind or not kind):
        given.update({name: value for name, value in (await request.form()).items() if isinstance(value, str)})
    elif body:
        raise SlackError("invalid_post_type")
    return given


def token(request: Request, given: Json) -> str:
    """Return the call's token and take it out of the arguments, so that it is in no record."""
    sent = str(given.pop("token", "") or "")
    return request.headers.get("authorization", "").removeprefix("Bearer ").strip() or sent
