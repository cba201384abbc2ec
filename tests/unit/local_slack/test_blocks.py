"""Block Kit's limits, at and just above each of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import ButtonElement, Option, SectionBlock, StaticSelectElement

from bot.local_slack.blocks import message_problems, view_problems


def plain(text: str) -> dict[str, Any]:
    """Return a plain text object."""
    return {"type": "plain_text", "text": text}


def button(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a button with an action_id of its own."""
    return {"type": "button", "text": plain("Go"), "action_id": f"a{number}", **fields}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    """Return an actions block."""
    return {"type": "actions", "elements": list(elements)}


def section(length: int) -> dict[str, Any]:
    """Return a section with a text of `length` characters."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x" * length}}


def option(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return an option with a value of its own."""
    return {"text": plain("o"), "value": str(number), **fields}


def select(count: int) -> dict[str, Any]:
    """Return a menu of `count` options."""
    return actions({"type": "static_select", "action_id": "s", "options": [option(n) for n in range(count)]})


def chart(points: int) -> dict[str, Any]:
    """Return a line of `points` points."""
    labels = [str(n) for n in range(points)]
    data = [{"label": label, "value": 1.5} for label in labels]
    line = {"type": "line", "series": [{"name": "loss", "data": data}], "axis_config": {"categories": labels}}
    return {"type": "data_visualization", "title": "Loss", "chart": line}


LIMITS = {
    "section": (3000, lambda n: [section(n)]),
    "section fields": (10, lambda n: [{"type": "section", "fields": [plain("f")] * n}]),
    "header": (150, lambda n: [{"type": "header", "text": plain("x" * n)}]),
    "blocks of a message": (50, lambda n: [{"type": "divider"}] * n),
    "elements of actions": (25, lambda n: [actions(*(button(i) for i in range(n)))]),
    "elements of context": (10, lambda n: [{"type": "context", "elements": [plain("c")] * n}]),
    "button text": (75, lambda n: [actions(button(text=plain("x" * n)))]),
    "button value": (2000, lambda n: [actions(button(value="x" * n))]),
    "action_id": (255, lambda n: [actions(button(action_id="x" * n))]),
    "block_id": (255, lambda n: [{"type": "divider", "block_id": "x" * n}]),
    "options of a select": (100, lambda n: [select(n)]),
    "option text": (75, lambda n: [actions({"type": "overflow", "options": [option(text=plain("x" * n))]})]),
    "option value": (150, lambda n: [actions({"type": "overflow", "options": [option(value="x" * n)]})]),
    "overflow": (5, lambda n: [actions({"type": "overflow", "options": [option(i) for i in range(n)]})]),
    "markdown in total": (12_000, lambda n: [{"type": "markdown", "text": "x" * (n // 2)}] * 2),
    "table rows": (100, lambda n: [{"type": "table", "rows": [[{"type": "raw_text", "text": "c"}]] * n}]),
    "table columns": (20, lambda n: [{"type": "table", "rows": [[{"type": "raw_text", "text": "c"}] * n]}]),
    "points of a chart": (20, lambda n: [chart(n)]),
    "charts of a message": (2, lambda n: [chart(1)] * n),
}


@pytest.mark.parametrize("name", LIMITS)
@given(data=st.data())
def test_limit_holds_exactly(name: str, data: st.DataObject) -> None:
    """Anything up to a limit is accepted, anything above it is not."""
    limit, build = LIMITS[name]
    step = 2 if name == "markdown in total" else 1
    within = data.draw(st.one_of(st.just(limit), st.integers(step, limit)))
    above = data.draw(st.one_of(st.just(limit + step), st.integers(limit + step, limit * 2 + step)))
    assert list(message_problems(build(within))) == []
    assert list(message_problems(build(above)))


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([{"type": "bogus"}], "unsupported type: bogus [json-pointer:/blocks/0/type]"),
        ([{"type": "section"}], "missing required field: text or fields"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "json-pointer:/blocks/0/text/type"),
        ([actions(button(1), button(1))], "`action_id` a1 already exists"),
        ([actions(button(style="green"))], "json-pointer:/blocks/0/elements/0/style"),
        ([actions(button(colour="green"))], "no more fields allowed: colour"),
        ([{"type": "divider", "block_id": "d"}] * 2, "`block_id` d already exists"),
        ([{"type": "alert", "text": plain("only in modals")}], "unsupported type: alert"),
        ({"type": "section"}, "must provide an array"),
        (["text"], "unsupported type: None"),
    ],
)
def test_mistakes_are_named_and_located(blocks: Any, words: str) -> None:
    """What is wrong is said with a pointer to the place."""
    assert words in "\n".join(message_problems(blocks))


def test_slack_sdk_blocks_are_accepted() -> None:
    """What slack_sdk's own models build is accepted."""
    select_element = StaticSelectElement(
        placeholder="Pick", action_id="s", options=[Option(value="a", text="A"), Option(value="b", text="B")]
    )
    blocks = [
        SectionBlock(text="*hi*", accessory=ButtonElement(text="Go", action_id="go", value="1", style="primary")),
        SectionBlock(text="pick", accessory=select_element),
    ]
    assert list(message_problems([block.to_dict() for block in blocks])) == []


@given(
    st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda v: st.lists(v) | st.dictionaries(st.text(), v))
)
def test_no_json_confuses_the_checks(value: Any) -> None:
    """Whatever JSON an app sends as blocks or view is judged, never a crash."""
    assert isinstance(list(message_problems(value)), list)
    assert list(view_problems(value))
    assert list(message_problems([{"type": "section", "text": value, "accessory": value}]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": plain("x" * 25)}, "json-pointer:/view/title/text"),
        ({"private_metadata": "x" * 3001}, "json-pointer:/view/private_metadata"),
        ({"blocks": [{"type": "divider"}] * 101}, "no more than 100 items allowed"),
        ({"blocks": [{"type": "markdown", "text": "x"}]}, "unsupported type: markdown"),
        ({"type": "window"}, "unsupported type: window"),
        (
            {"blocks": [{"type": "input", "label": plain("l"), "element": {"type": "plain_text_input"}}]},
            "`submit` is required",
        ),
    ],
)
def test_views_have_limits_of_their_own(change: dict[str, Any], words: str) -> None:
    """A modal's title, metadata, blocks and submit button are checked."""
    modal = {"type": "modal", "title": plain("x" * 24), "blocks": [{"type": "divider"}] * 100}
    assert list(view_problems(modal)) == []
    assert words in "\n".join(view_problems({**modal, **change}))
