"""What a row must look like, and how a bad one is named."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.rows import BadRow, row_of_columns, row_of_line
from tests.unit.datasets.conftest import chat

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
CONTENT = TEXT.filter(lambda text: not text.isspace())
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.sampled_from(["messages", "role"]), inner),
    max_leaves=8,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, str]]:
    """Draw a conversation of the accepted form."""
    system = [{"role": "system", "content": draw(CONTENT)}] if draw(st.booleans()) else []
    turns = draw(st.lists(st.tuples(CONTENT, CONTENT), min_size=1, max_size=3))
    roles = ("user", "assistant")
    return system + [{"role": role, "content": text} for turn in turns for role, text in zip(roles, turn, strict=True)]


def message(role: Any, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@given(conversations(), CONTENT)
def test_a_complete_row_is_written_as_the_same_bytes(messages: list[dict[str, str]], row_id: str) -> None:
    """I get my rows back exactly as I wrote them."""
    line = msgspec.json.encode({"prompt": "p", "prompt_id": row_id, "messages": messages})
    assert row_of_line(line + b" \r\n")[1] == line + b"\n"


@given(conversations())
def test_a_row_without_ids_gets_the_same_id_every_time(messages: list[dict[str, str]]) -> None:
    """My rows need no ids; the bot makes them from the prompt."""
    line = msgspec.json.encode({"messages": messages, "weight": 1})
    row, written = row_of_line(line)
    prompt = next(each["content"] for each in messages if each["role"] == "user")
    assert row.prompt == prompt
    assert row.prompt_id == hashlib.sha256(prompt.encode()).hexdigest()
    assert msgspec.json.decode(written) == {"prompt": prompt, "prompt_id": row.prompt_id, "messages": messages}
    assert row_of_line(written)[1] == written


@given(st.binary() | JSON.map(lambda value: msgspec.json.encode(value)))
def test_whatever_a_line_holds_it_is_a_row_or_a_named_fault(line: bytes) -> None:
    """No line of my file can break the bot."""
    try:
        written = row_of_line(line)[1]
    except BadRow as fault:
        assert fault.code
        assert len(fault.message) < 200
    else:
        assert row_of_line(written)[1] == written


def test_prompt_and_completion_are_a_conversation_of_two() -> None:
    """My old prompt/completion file works too."""
    row, _ = row_of_columns({"prompt": "Hi?", "completion": "Ho."})
    assert [(each.role, each.content) for each in row.messages] == [("user", "Hi?"), ("assistant", "Ho.")]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"not json", "not_json"),
        (b'{"weight": 1, "messages": [', "not_json"),
        (b"[" * 100_000, "not_json"),
        ("{'messages'}".encode("utf-16"), "not_json"),
        (b'{"prompt": "\xe4"}', "not_utf8"),
        (b"[]", "data_type"),
        (b"{}", "missing_messages_list"),
        (b'{"messages": []}', "missing_messages_list"),
        (b'{"messages": "["}', "not_json"),
    ],
)
def test_a_broken_line_is_named(line: bytes, code: str) -> None:
    """I am told what is wrong with a line that is no row."""
    with pytest.raises(BadRow) as fault:
        row_of_line(line)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("messages", "code", "text"),
    [
        ([message("user", "a")], "example_missing_assistant_message", "does not end with an assistant"),
        ([message("system", "a")], "example_missing_assistant_message", "does not end with an assistant"),
        ([message("assistant", "a"), message("user", "b")], "role_order", "Message 1 is from assistant; expected user"),
        ([message("user", "a"), message("user", "b")], "role_order", "Message 2 is from user; expected assistant"),
        (
            [message("user", "a"), message("assistant", "b"), message("system", "c")],
            "role_order",
            "Message 3 is from system; expected user",
        ),
        ([message("user", "a"), message("assistant", " \n")], "missing_content", "Message 2 (assistant) is empty"),
        ([message("user", "a"), message("assistant", None)], "missing_content", "The content of message 2 is not text"),
        ([message("human", "a"), message("assistant", "b")], "unrecognized_role", "'human'"),
        ([message(["x"], "a"), message("assistant", "b")], "unrecognized_role", "Message 1"),
        ([{"from": "user", "value": "a"}], "message_missing_key", "Message 1 has no role or no content"),
        (["hello"], "message_missing_key", "Message 1"),
    ],
)
def test_a_wrong_conversation_is_named(messages: list[Any], code: str, text: str) -> None:
    """I am told which message is wrong and how."""
    row = chat("a") | {"messages": messages}
    with pytest.raises(BadRow) as fault:
        row_of_line(msgspec.json.encode(row))
    assert fault.value.code == code
    assert text in fault.value.message
