"""The two shapes of scoring requests that are live on Azure."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.local_azure.engine.score import BadRequest, Parameters, answer, chat_request, read

MESSAGES = [{"role": "user", "content": "Hi"}]


def body(**content: object) -> bytes:
    """Return a request body."""
    return json.dumps(content).encode()


def test_a_model_cards_request_gets_one_output() -> None:
    """A flat conversation with its parameters inside is answered with {"output": …}."""
    request = read(body(input_data={"input_string": MESSAGES, "parameters": {"temperature": 0.6, "top_p": 0.9}}))
    assert request.parameters == Parameters(temperature=0.6, top_p=0.9)
    assert answer(request, ["Hello"]) == {"output": "Hello"}


def test_the_notebooks_request_gets_a_list() -> None:
    """Nested conversations with params beside them are answered with a list, one text for each."""
    request = read(body(input_data={"input_string": [MESSAGES, MESSAGES]}, params={"max_new_tokens": 9}))
    assert len(request.conversations) == 2
    assert request.parameters.max_new_tokens == 9
    assert answer(request, ["Hello", "Bye"]) == ["Hello", "Bye"]


def test_without_sampling_the_likeliest_token_is_taken() -> None:
    """do_sample false is temperature 0 for llama.cpp."""
    request = read(body(input_data={"input_string": MESSAGES, "parameters": {"do_sample": False, "temperature": 0.6}}))
    assert chat_request(request.conversations[0], request.parameters) == {
        "messages": MESSAGES,
        "max_tokens": 256,
        "temperature": 0.0,
        "top_p": 1.0,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "The body is not JSON"),
        (b"[]", "A value is not provided for the 'input_data' parameter."),
        (body(messages=MESSAGES), "A value is not provided for the 'input_data' parameter."),
        (body(input_data={}), "input_data.input_string must be a list of messages"),
        (body(input_data={"input_string": []}), "input_data.input_string must be a list of messages"),
        (body(input_data={"input_string": [[]]}), "Expected `array` of length >= 1"),
        (body(input_data={"input_string": ["Hi"]}), "Expected `object`, got `str`"),
        (body(input_data={"input_string": MESSAGES, "parameters": {"temperature": "hot"}}), "$.temperature"),
        (body(input_data={"input_string": MESSAGES, "parameters": {"top_p": 2}}), "$.top_p"),
        (body(input_data={"input_string": MESSAGES, "parameters": []}), None),
        (body(input_data={"input_string": MESSAGES, "parameters": [1]}), "parameters must be an object."),
    ],
)
def test_a_wrong_body_is_refused_in_words(content: bytes, message: str | None) -> None:
    """A caller reads what is wrong with the request; an empty list of parameters is none."""
    if message is None:
        assert read(content).parameters == Parameters()
        return
    with pytest.raises(BadRequest) as raised:
        read(content)
    assert message in str(raised.value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=6
    )
)
def test_any_input_string_is_read_or_refused(value: object) -> None:
    """No body makes the deployment fail: it is a request or a BadRequest."""
    try:
        read(body(input_data={"input_string": value}))
    except BadRequest as error:
        assert str(error)
