"""What a deployment is asked and what it answers: three ways to ask, and every form of answer seen, as pure functions.

Sources: the model cards' flat form (`assets/models/system/Llama-2-7b-chat/notes.md`), the walkthrough notebook's nested
one, OpenAI's chat completions, and `mlflow_score_script.py` of azureml-assets.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from core.azure.types import ChatMessage, Sampling


class Shape(Enum):
    """A way to ask, by its path below the endpoint's address; tried in this order."""

    CHAT = "/v1/chat/completions"
    FLAT = "/score"
    NESTED = "/score (nested)"


def url(scoring_uri: str, shape: Shape) -> str:
    """Return where to send a request of `shape`; Azure's scoring address ends with /score."""
    return (
        scoring_uri.removesuffix("/").removesuffix("/score") + Shape.CHAT.value if shape is Shape.CHAT else scoring_uri
    )


def payload(shape: Shape, messages: Sequence[ChatMessage], sampling: Sampling, stream: bool) -> dict[str, Any]:
    """Return the JSON body that asks for the next message of a conversation."""
    conversation = [{"role": message.role, "content": message.content} for message in messages]
    if shape is Shape.CHAT:
        body = {
            "messages": conversation,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "stream": stream,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        return body
    parameters: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "do_sample": sampling.temperature > 0,
        "max_new_tokens": sampling.max_new_tokens,
    }
    if sampling.stop:
        parameters["stop"] = list(sampling.stop)
    if shape is Shape.FLAT:
        return {"input_data": {"input_string": conversation, "parameters": parameters}}
    return {"input_data": {"input_string": [conversation], "parameters": parameters}, "params": {}}


def text_of(answer: Any) -> str:
    """Return the text in a whole answer of any known form; raises `ValueError` for another one."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Mapping):
        return _text_of_object(answer)
    if isinstance(answer, list) and answer:
        # A conversation back: its last message is the new one. Else one answer for each question asked.
        last = answer[-1]
        return text_of(last if isinstance(last, Mapping) and "role" in last else answer[0])
    raise ValueError(f"no text in an answer of type {type(answer).__name__}")


def _text_of_object(answer: Mapping[str, Any]) -> str:
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        first = choices[0]
        message = first.get("message") or first.get("delta") or {}
        return str(message.get("content") or first.get("text") or "")
    for name in ("output", "content", "generated_text", "0", "predictions", "result", "outputs"):
        if name in answer:
            return text_of(answer[name])
    raise ValueError(f"no text under the names {', '.join(sorted(map(str, answer))) or '(none)'}")


def tokens_of(answer: Any) -> tuple[int | None, int | None]:
    """Return how many prompt and completion tokens the server counted, None where it does not say."""
    usage = answer.get("usage") if isinstance(answer, Mapping) else None
    if not isinstance(usage, Mapping):
        return None, None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (prompt if isinstance(prompt, int) else None, completion if isinstance(completion, int) else None)


def delta_of(line: str) -> str | None:
    """Return the text of one line of a server-sent event stream, "" when it carries none, None at its end.

    Raises `ValueError` with the server's own words when the line reports an error.
    """
    if not line.startswith("data:"):
        return ""
    data = line.removeprefix("data:").strip()
    if data == "[DONE]":
        return None
    try:
        event = json.loads(data) if data else {}
    except json.JSONDecodeError as error:
        raise ValueError("a broken event") from error
    if isinstance(event, Mapping) and (failed := event.get("error")):
        raise ValueError(str(failed.get("message") if isinstance(failed, Mapping) else failed))
    choices = event.get("choices") if isinstance(event, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return ""
    return str((choices[0].get("delta") or {}).get("content") or "")
