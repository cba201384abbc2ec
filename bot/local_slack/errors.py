"""Slack's errors: their codes, and the one place where they become responses.

The codes are those that the methods' pages at https://docs.slack.dev/reference/methods list.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class SlackError(Exception):
    """An error as the Web API tells it: HTTP 200 with `ok` false, the code, and more fields."""

    def __init__(self, code: str, *messages: str, status: int = 200, **fields: Any) -> None:
        """`messages` go into response_metadata; `fields` beside the code."""
        super().__init__(code)
        self.code, self.messages, self.status, self.fields = code, messages, status, fields
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON."""
        more = {"response_metadata": {"messages": list(self.messages)}} if self.messages else {}
        return {"ok": False, "error": self.code, **self.fields, **more}


def rate_limited(retry_after: int) -> SlackError:
    """Return HTTP 429 that asks to wait `retry_after` seconds."""
    error = SlackError("ratelimited", status=429)
    error.headers = {"Retry-After": str(retry_after)}
    return error


def missing_argument(*names: str) -> SlackError:
    """Return the error of a call without an argument that it needs."""
    return SlackError("invalid_arguments", *(f"[ERROR] missing required field: {name}" for name in names))


def respond(error: SlackError) -> Response:
    """Return the error as a response."""
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


async def handle(_: Request, error: Exception) -> Response:
    """Answer a SlackError that a route raised."""
    return respond(error) if isinstance(error, SlackError) else JSONResponse({"ok": False, "error": "fatal_error"}, 500)
