"""Ask a deployed model, with our own requests: the SDK's `invoke` needs a file and mixes up concurrent calls' keys.

(`EndpointInvokeFields.DEFAULT_HEADER` of azure-ai-ml is one dict for all calls.)
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import httpx

from core.azure.answers import Shape, delta_of, payload, text_of, tokens_of, url
from core.azure.cloud import tls_context
from core.azure.errors import http_refusal, scrub
from core.azure.types import Answer, ChatMessage, Sampling, ScoringTarget
from core.errors import AzureError, AzureRefused, AzureUnavailable

# Azure answers 424 when the model's own server did not answer 200; any of these can mean "not in this shape".
_WRONG_SHAPE = frozenset({400, 404, 405, 415, 422, 424, 501})
# A remembered shape that is gone: another model was deployed under the same name.
_GONE = frozenset({404, 405})
_LONGEST_REQUEST = 180.0
"""Seconds after which Azure ends any scoring request (`how-to-manage-quotas.md`)."""


class ScoringClient:
    """Asks endpoints; remembers for each deployment which shape of request it understood. Safe to share by threads."""

    def __init__(self, timeout: float = _LONGEST_REQUEST) -> None:
        """Make a client that waits at most `timeout` seconds for each next piece of an answer."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        wait = httpx.Timeout(timeout, connect=15)
        self._http = httpx.Client(verify=tls_context(), timeout=wait, limits=limits)
        self._shapes: dict[tuple[str, str], Shape] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def stream(self, target: ScoringTarget, messages: Sequence[ChatMessage], parameters: Sampling) -> Iterator[str]:
        """Yield the next message piece by piece, or whole when the deployment cannot stream.

        Raises `AzureRefused` or `AzureUnavailable`, also after some pieces.
        """
        with self._asked(target, messages, parameters, stream=True) as answer:
            if "text/event-stream" in answer.headers.get("content-type", ""):
                yield from _deltas(answer)
            else:
                answer.read()
                yield _text(_body(answer))

    def ask(self, target: ScoringTarget, messages: Sequence[ChatMessage], parameters: Sampling) -> Answer:
        """Return the next message whole, with how long it took; raises `AzureRefused` or `AzureUnavailable`."""
        started = time.perf_counter()
        with self._asked(target, messages, parameters, stream=False) as answer:
            answer.read()
            body = _body(answer)
            deployment = answer.headers.get("azureml-model-deployment", target.deployment)
        prompt_tokens, completion_tokens = tokens_of(body)
        return Answer(_text(body), time.perf_counter() - started, deployment, prompt_tokens, completion_tokens)

    @contextmanager
    def _asked(
        self, target: ScoringTarget, messages: Sequence[ChatMessage], parameters: Sampling, stream: bool
    ) -> Iterator[httpx.Response]:
        """Give the first good answer, still open, of the shapes that this deployment may understand."""
        try:
            with self._first_good(target, messages, parameters, stream) as answer:
                yield answer
        except httpx.TimeoutException as error:
            raise _too_slow() from error
        except httpx.TransportError as error:
            why = scrub(str(error)) or type(error).__name__
            raise AzureUnavailable("The endpoint did not answer.", why=why, next="Try again in a moment.") from error

    @contextmanager
    def _first_good(
        self, target: ScoringTarget, messages: Sequence[ChatMessage], parameters: Sampling, stream: bool
    ) -> Iterator[httpx.Response]:
        known = self._known(target)
        shapes = [known] if known else list(Shape)
        while shapes:
            shape = shapes.pop(0)
            body = payload(shape, messages, parameters, stream)
            with self._http.stream("POST", url(target.uri, shape), json=body, headers=_headers(target)) as answer:
                if answer.status_code == httpx.codes.OK:
                    self._remember(target, shape)
                    yield answer
                    return
                answer.read()
                if known and answer.status_code in _GONE:
                    known, shapes = None, [other for other in Shape if other is not shape]
                    self._remember(target, None)
                elif known or not shapes or answer.status_code not in _WRONG_SHAPE:
                    raise refusal(answer)

    def _known(self, target: ScoringTarget) -> Shape | None:
        with self._lock:
            return self._shapes.get((target.uri, target.deployment))

    def _remember(self, target: ScoringTarget, shape: Shape | None) -> None:
        with self._lock:
            if shape is None:
                self._shapes.pop((target.uri, target.deployment), None)
            else:
                self._shapes[target.uri, target.deployment] = shape


def refusal(answer: httpx.Response) -> AzureError:
    """Return the error for a scoring answer that is not 200, in the words of who asked the model."""
    error = http_refusal(answer, "answer this question")
    status = answer.status_code
    given = {"why": error.why, "code": error.code, "request_id": error.request_id}
    if status in (401, 403):
        return AzureRefused(
            "The endpoint did not accept the bot's key.", next="It may have been regenerated: ask again.", **given
        )
    if status == 404:
        return AzureRefused("The endpoint is not there.", next="It may have been deleted or gets no traffic.", **given)
    if status in (408, 504):
        return _too_slow(**given)
    if status == 429:
        return AzureUnavailable("The model is busy with other questions.", next="Try again in a moment.", **given)
    if status == 424:
        return AzureRefused("The model itself failed on this question.", next="Read the deployment's log.", **given)
    if status >= 500:
        return AzureUnavailable("The endpoint failed to answer.", next="Try again in a moment.", **given)
    return AzureRefused("The model did not accept this question.", next="Ask for less or start a new thread.", **given)


def _too_slow(why: str = "", code: str = "", request_id: str = "") -> AzureUnavailable:
    next_step = "Ask for fewer tokens, or try again."
    why = why or f"Azure ends a request after {_LONGEST_REQUEST:.0f} seconds."
    return AzureUnavailable("The answer took too long.", why=why, next=next_step, code=code, request_id=request_id)


def _headers(target: ScoringTarget) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {target.key}", "Accept": "text/event-stream, application/json"}
    if target.deployment:
        headers["azureml-model-deployment"] = target.deployment
    return headers


def _deltas(answer: httpx.Response) -> Iterator[str]:
    for line in answer.iter_lines():
        try:
            piece = delta_of(line)
        except ValueError as error:
            raise AzureUnavailable("The model stopped in the middle of its answer.", why=scrub(str(error))) from error
        if piece is None:
            return
        if piece:
            yield piece
    raise AzureUnavailable("The model stopped in the middle of its answer.", next="Try again in a moment.")


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def _text(body: Any) -> str:
    try:
        return text_of(body)
    except ValueError as error:
        next_step = "The deployment may not be a chat model."
        raise AzureRefused("The model's answer has an unknown form.", why=f"{error}.", next=next_step) from error
