"""Every form in which a deployment answers gives the same text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.azure.answers import Shape, delta_of, payload, text_of, tokens_of, url
from core.azure.types import ChatMessage, Sampling

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FORMS = {
    "plain text": lambda text: text,
    "model card": lambda text: {"output": text},
    "mlflow rows": lambda text: [{"0": text}],
    "list of texts": lambda text: [text],
    "predictions": lambda text: {"predictions": [text]},
    "generated text": lambda text: [{"generated_text": text}],
    "whole conversation": lambda text: [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}],
    "conversation as output": lambda text: {"output": [{"role": "assistant", "content": text}]},
    "chat completion": lambda text: {"choices": [{"message": {"role": "assistant", "content": text}}]},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(text=st.text())
def test_text_is_found_in_every_form(form, text):
    """Whatever the model says, it arrives unchanged from each form of answer."""
    assert text_of(form(text)) == text


@given(answer=JSON)
def test_any_answer_gives_text_or_a_clear_error(answer):
    """An answer nobody foresaw never breaks the bot otherwise than by saying that it has no text."""
    try:
        assert isinstance(text_of(answer), str)
    except ValueError as error:
        assert str(error).startswith("no text")


@pytest.mark.parametrize("answer", [None, 3, [], {}, {"predictions": []}, {"foo": "bar"}])
def test_answer_without_text_is_refused(answer):
    """An answer without text is not taken for an empty one."""
    with pytest.raises(ValueError, match="no text"):
        text_of(answer)


@given(pieces=st.lists(st.text()))
def test_streamed_pieces_are_the_whole_answer(pieces):
    """The pieces of a stream, put together, are what the model said, and its end is seen."""
    lines = [f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}" for piece in pieces]
    found = [delta_of(line) for line in [": ping", "", 'data: {"choices": []}', *lines, "data: [DONE]"]]
    assert found[-1] is None
    assert "".join(piece for piece in found if piece) == "".join(pieces)


@pytest.mark.parametrize(
    ("line", "words"),
    [('data: {"error": {"message": "out of memory"}}', "out of memory"), ("data: {broken", "a broken event")],
)
def test_error_inside_a_stream_is_told(line, words):
    """A model that fails in the middle says why."""
    with pytest.raises(ValueError, match=words):
        delta_of(line)


def test_each_shape_asks_the_same_question():
    """The three shapes carry the same conversation and parameters, as their servers name them."""
    conversation = [ChatMessage("system", "Be brief."), ChatMessage("user", "Why?")]
    sampling = Sampling(temperature=0, top_p=0.5, max_new_tokens=7, stop=("END",), seed=3)
    as_json = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    chat = payload(Shape.CHAT, conversation, sampling, stream=True)
    assert chat["messages"] == as_json
    assert (chat["temperature"], chat["top_p"], chat["max_tokens"]) == (0, 0.5, 7)
    assert (chat["stop"], chat["seed"], chat["stream"]) == (["END"], 3, True)
    parameters = {"temperature": 0, "top_p": 0.5, "do_sample": False, "max_new_tokens": 7, "stop": ["END"]}
    assert payload(Shape.FLAT, conversation, sampling, stream=True) == {
        "input_data": {"input_string": as_json, "parameters": parameters}
    }
    assert payload(Shape.NESTED, conversation, sampling, stream=True) == {
        "input_data": {"input_string": [as_json], "parameters": parameters},
        "params": {},
    }


def test_addresses_stand_beside_the_scoring_address():
    """Chat completions are asked for on the same host, below the same path as /score."""
    scoring = "https://127.0.0.1:8443/endpoints/demo/score"
    assert url(scoring, Shape.CHAT) == "https://127.0.0.1:8443/endpoints/demo/v1/chat/completions"
    assert url(scoring, Shape.FLAT) == url(scoring, Shape.NESTED) == scoring


def test_tokens_are_counted_only_by_the_server():
    """Token counts come from the server or are unknown."""
    assert tokens_of({"usage": {"prompt_tokens": 5, "completion_tokens": 9}}) == (5, 9)
    assert tokens_of({"output": "Hi"}) == (None, None)
