"""Asking a deployment over real HTTP: which shape it understands, whose key is used, what is said when it fails."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.azure.scoring import ScoringClient
from core.azure.types import ChatMessage, Sampling, ScoringTarget
from core.errors import AzureRefused, AzureUnavailable
from tests.unit.azure.conftest import Reply

HELLO = [ChatMessage("user", "Hello")]
SSE = {"Content-Type": "text/event-stream"}


@pytest.fixture
def client():
    """A scoring client with a short patience."""
    made = ScoringClient(timeout=5)
    yield made
    made.close()


def target(served, key="key-1", deployment="demo"):
    return ScoringTarget(f"{served.url}/score", key, deployment)


def events(*pieces, end="data: [DONE]\n\n"):
    lines = (f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n" for piece in pieces)
    return "".join(lines) + end


def only(shape):
    """Return a server that understands one shape only."""

    def answer(request):
        chat = request.path == "/v1/chat/completions"
        nested = not chat and isinstance(request.body["input_data"]["input_string"][0], list)
        if shape != ("chat" if chat else "nested" if nested else "flat"):
            return Reply(404 if chat else 424, {"error": "A value is not provided for the 'input_data' parameter"})
        if chat and request.body["stream"]:
            return Reply(200, events("Hel", "lo!"), SSE)
        return Reply(200, {"choices": [{"message": {"content": "Hello!"}}]} if chat else {"output": "Hello!"})

    return answer


@pytest.mark.parametrize(("shape", "tries"), [("chat", 1), ("flat", 2), ("nested", 3)])
def test_each_shape_is_found_and_remembered(serve, client, shape, tries):
    """The first question finds the shape a deployment understands; the next ones use it at once."""
    served = serve(only(shape))
    assert client.ask(target(served), HELLO, Sampling()).text == "Hello!"
    assert len(served.requests) == tries
    assert "".join(client.stream(target(served), HELLO, Sampling())) == "Hello!"
    assert len(served.requests) == tries + 1


def test_stream_arrives_in_pieces(serve, client):
    """A streamed answer is handed on piece by piece."""
    served = serve(only("chat"))
    assert list(client.stream(target(served), HELLO, Sampling())) == ["Hel", "lo!"]


def test_redeployed_model_is_asked_anew(serve, client):
    """A deployment that now holds another model is asked in the other shapes again."""
    understood = ["chat"]
    served = serve(lambda request: only(understood[0])(request))
    client.ask(target(served), HELLO, Sampling())
    understood[0] = "flat"
    assert client.ask(target(served), HELLO, Sampling()).text == "Hello!"


def test_answer_tells_deployment_time_and_tokens(serve, client):
    """An answer says which deployment gave it, how long it took and how many tokens it has."""
    body = {"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}
    served = serve(lambda _: Reply(200, body, {"azureml-model-deployment": "blue"}))
    answer = client.ask(target(served), HELLO, Sampling())
    assert (answer.text, answer.deployment, answer.prompt_tokens, answer.completion_tokens) == ("Hi", "blue", 4, 2)
    assert 0 < answer.seconds < 5


def test_concurrent_questions_keep_their_own_keys(serve, client):
    """Questions asked at the same time to several deployments never carry each other's key or deployment."""
    together = threading.Barrier(8, timeout=10)

    def answer(request):
        together.wait()
        text = f"{request.headers['authorization']} {request.headers.get('azureml-model-deployment')}"
        return Reply(200, {"choices": [{"message": {"content": text}}]})

    served = serve(answer)
    targets = [target(served, f"key-{n}", f"d{n}" if n % 2 else "") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: client.ask(one, HELLO, Sampling()).text, targets))
    assert answers == [f"Bearer {one.key} {one.deployment or None}" for one in targets]


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (401, AzureRefused, "did not accept the bot's key"),
        (403, AzureRefused, "did not accept the bot's key"),
        (404, AzureRefused, "is not there"),
        (400, AzureRefused, "did not accept this question"),
        (424, AzureRefused, "failed on this question"),
        (408, AzureUnavailable, "took too long"),
        (429, AzureUnavailable, "busy"),
        (500, AzureUnavailable, "failed to answer"),
        (502, AzureUnavailable, "failed to answer"),
        (503, AzureUnavailable, "failed to answer"),
        (504, AzureUnavailable, "took too long"),
    ],
)
def test_failures_are_told_in_the_asker_words(serve, client, status, kind, what):
    """Each status says what happened to the question and whether asking again may help, with Azure's request id."""
    body = {"error": {"code": "Oops", "message": "because"}}
    served = serve(lambda _: Reply(status, body, {"x-ms-request-id": "r-1"}))
    with pytest.raises(kind, match=what) as caught:
        client.ask(target(served), HELLO, Sampling())
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.request_id) == ("Oops", "r-1")
    assert f"HTTP {status}" in caught.value.why
    assert "key-1" not in str(caught.value)


@pytest.mark.parametrize("reply", [Reply(200, events("Hel", end=""), SSE), Reply(200, events("Hel"), SSE, cut=False)])
def test_stream_end_is_checked(serve, client, reply):
    """Only an answer that the model has ended is taken for whole."""
    served = serve(lambda _: reply)
    pieces = client.stream(target(served), HELLO, Sampling())
    assert next(pieces) == "Hel"
    if "[DONE]" in reply.body:
        assert list(pieces) == []
    else:
        with pytest.raises(AzureUnavailable, match="in the middle"):
            list(pieces)


def test_broken_connection_is_unavailable(serve, client):
    """A connection that breaks during a stream is told after the pieces that arrived."""
    served = serve(lambda _: Reply(200, events("Hel", end=""), SSE, cut=True))
    pieces = client.stream(target(served), HELLO, Sampling())
    assert next(pieces) == "Hel"
    with pytest.raises(AzureUnavailable):
        list(pieces)


def test_nobody_there_is_unavailable(client):
    """An endpoint that is not reachable can be asked again later."""
    with pytest.raises(AzureUnavailable, match="did not answer"):
        client.ask(ScoringTarget("http://127.0.0.1:9/score", "key-1"), HELLO, Sampling())


def test_slow_answer_is_unavailable(serve):
    """An answer that takes longer than the client waits is told as such."""
    done = threading.Event()

    def answer(_):
        done.wait(10)
        return Reply(200, "late")

    served, impatient = serve(answer), ScoringClient(timeout=0.2)
    with pytest.raises(AzureUnavailable, match="took too long"):
        impatient.ask(target(served), HELLO, Sampling())
    done.set()
    impatient.close()


def test_answer_of_unknown_form_is_refused(serve, client):
    """A deployment that is no chat model is recognised."""
    served = serve(lambda _: Reply(200, {"label": "cat"}))
    with pytest.raises(AzureRefused, match="unknown form"):
        client.ask(target(served), HELLO, Sampling())
