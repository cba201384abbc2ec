"""One chat row: what it must look like, and what is wrong with one that does not.

A row of a file is decoded straight into a typed struct; only a row which that refuses is looked at again, slowly, to
name its fault or to bring another usual shape (without ids, ``prompt``/``completion`` columns, further columns) into
this one. The codes follow OpenAI's "Data preparation and analysis for chat model fine-tuning".
"""

import hashlib
from typing import Annotated, Any, Literal

import msgspec


class BadRow(Exception):
    """A row that cannot be used: a stable `code` and a `message` for its author."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One conversation, in the columns of HuggingFaceH4/ultrachat_200k."""

    prompt: str
    prompt_id: Annotated[str, msgspec.Meta(min_length=1)]
    messages: list[Message]


_decoder = msgspec.json.Decoder(ChatRow)
_encoder = msgspec.json.Encoder()
_TURNS = ("user", "assistant")
_ROLES = ("system", *_TURNS)


def row_of_line(line: bytes) -> tuple[ChatRow, bytes]:
    """Return the row that a line of JSON holds and the line to write for it: the same bytes whenever the row is already
    in its final shape.

    Raises `BadRow`.
    """
    try:
        try:
            row = _decoder.decode(line)
        except msgspec.ValidationError:
            return row_of_columns(msgspec.json.decode(line))
    except UnicodeDecodeError:
        raise BadRow("not_utf8", "The line is not UTF-8 text.") from None
    except (msgspec.DecodeError, RecursionError):
        raise BadRow("not_json", "The line is not one JSON value.") from None
    check(row.messages)
    return row, line.rstrip() + b"\n"


def row_of_columns(columns: Any) -> tuple[ChatRow, bytes]:
    """Return the row made of a record's columns and the line to write for it; raises `BadRow`."""
    if not isinstance(columns, dict):
        raise BadRow("data_type", "The row is not an object with columns.")
    messages = _messages(columns)
    check(messages)
    prompt = first_prompt(messages)
    prompt_id = columns.get("prompt_id")
    if not isinstance(prompt_id, str) or not prompt_id:
        prompt_id = hashlib.sha256(prompt.encode()).hexdigest()
    row = ChatRow(prompt=prompt, prompt_id=prompt_id, messages=messages)
    return row, _encoder.encode(row) + b"\n"


def check(messages: list[Message]) -> None:
    """Raise `BadRow` unless the messages are an optional system message, then user and assistant in turns, ending with
    the assistant.
    """
    start = 1 if messages and messages[0].role == "system" else 0
    for index, message in enumerate(messages):
        if not message.content or message.content.isspace():
            raise BadRow("missing_content", f"Message {index + 1} ({message.role}) is empty.")
        if index >= start and message.role != _TURNS[(index - start) & 1]:
            expected = _TURNS[(index - start) & 1]
            raise BadRow("role_order", f"Message {index + 1} is from {message.role}; expected {expected}.")
    if len(messages) - start < 2 or messages[-1].role != "assistant":
        raise BadRow("example_missing_assistant_message", "The conversation does not end with an assistant's answer.")


def first_prompt(messages: list[Message]) -> str:
    """Return the first user message of a checked conversation."""
    return messages[1].content if messages[0].role == "system" else messages[0].content


def _messages(columns: dict[str, Any]) -> list[Message]:
    messages = columns.get("messages")
    if isinstance(messages, str):  # a csv cell
        try:
            messages = msgspec.json.decode(messages)
        except (msgspec.DecodeError, RecursionError):
            raise BadRow("not_json", "The messages column is not JSON.") from None
    if messages is None and "completion" in columns:
        messages = [
            {"role": "user", "content": columns.get("prompt")},
            {"role": "assistant", "content": columns["completion"]},
        ]
    if not isinstance(messages, list) or not messages:
        raise BadRow("missing_messages_list", "The row has no messages (nor prompt and completion).")
    return [_message(number, message) for number, message in enumerate(messages, start=1)]


def _message(number: int, message: Any) -> Message:
    if not isinstance(message, dict) or "role" not in message or "content" not in message:
        raise BadRow("message_missing_key", f"Message {number} has no role or no content.")
    role, content = message["role"], message["content"]
    if role not in _ROLES:
        raise BadRow(
            "unrecognized_role", f"Message {number} has the role {str(role)[:40]!r}; known: {', '.join(_ROLES)}."
        )
    if not isinstance(content, str):
        raise BadRow("missing_content", f"The content of message {number} is not text.")
    return Message(role=role, content=content)
