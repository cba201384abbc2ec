"""The request bodies of an Azure ML chat deployment, and the answers to them: pure functions.

Two shapes are live. Model cards (azureml-assets `assets/models/system/Llama-2-7b-chat/notes.md`): `input_string` is a
conversation and the answer is {"output": TEXT}. The fine-tuning notebook: `input_string` is a list of conversations,
`params` stands beside `input_data`, and the answer is a list of texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

DEFAULT_MAX_NEW_TOKENS = 256


class BadRequest(ValueError):
    """A body that is not what a chat deployment accepts; the text says what is wrong."""


class Parameters(msgspec.Struct, frozen=True):
    """How to generate; without `do_sample` the likeliest token is taken only at temperature 0."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.7
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    do_sample: bool = True
    max_new_tokens: Annotated[int, msgspec.Meta(ge=1)] = DEFAULT_MAX_NEW_TOKENS


class Turn(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class ScoreRequest:
    """The conversations to answer; `nested` when the answer is a list."""

    conversations: list[list[Turn]]
    parameters: Parameters
    nested: bool


def read(body: bytes) -> ScoreRequest:
    """Return what a body asks for; raises BadRequest."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not JSON: {error}") from error
    if not isinstance(content, dict) or "input_data" not in content:
        raise BadRequest("A value is not provided for the 'input_data' parameter.")
    data = content["input_data"]
    if not isinstance(data, dict) or not isinstance(data.get("input_string"), list) or not data["input_string"]:
        raise BadRequest("input_data.input_string must be a list of messages, or a list of such lists.")
    nested = isinstance(data["input_string"][0], list)
    conversations = data["input_string"] if nested else [data["input_string"]]
    settings = {**mapping(data, "parameters"), **mapping(content, "params")}
    try:
        return ScoreRequest(
            msgspec.convert(conversations, list[Annotated[list[Turn], msgspec.Meta(min_length=1)]]),
            msgspec.convert(settings, Parameters),
            nested,
        )
    except msgspec.ValidationError as error:
        raise BadRequest(f"input_data: {error}") from error


def mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a member that is an object, an empty one when it is absent or null; raises BadRequest."""
    value = content.get(name) or {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object.")
    return value


def chat_request(conversation: list[Turn], parameters: Parameters) -> dict[str, Any]:
    """Return the body of /v1/chat/completions for one conversation."""
    return {
        "messages": msgspec.to_builtins(conversation),
        "max_tokens": parameters.max_new_tokens,
        "temperature": parameters.temperature if parameters.do_sample else 0.0,
        "top_p": parameters.top_p,
    }


def answer(request: ScoreRequest, texts: list[str]) -> Any:
    """Return the body of the answer in the shape of the request."""
    return texts if request.nested else {"output": texts[0]}
