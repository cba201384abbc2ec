"""What a person types and reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.local_slack.mrkdwn import plain, typed
from bot.local_slack.reading import controls, lines

NAMES = {"U1": "ada", "C1": "general"}


@pytest.mark.parametrize(
    ("mrkdwn", "read"),
    [
        ("*bold* _it_ ~no~ `code_x_y` **strong**", "bold it no code_x_y strong"),
        ("num_train_epochs=3 and learning_rate_multiplier", "num_train_epochs=3 and learning_rate_multiplier"),
        ("<@U1> in <#C1> &lt;3 &amp; <!here>", "@ada in #general <3 & @here"),
        (
            "<https://a.example/?x=1&amp;y=2|the page> <https://b.example>",
            "the page (https://a.example/?x=1&y=2) https://b.example",
        ),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        ('```\n{"a": *1*}\n```', '{"a": *1*}'),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_text_reads_as_in_slack(mrkdwn: str, read: str) -> None:
    """Marks are dropped, ids become names, code and identifiers stay as they are."""
    assert plain(mrkdwn, NAMES) == read


@given(st.text(st.characters(codec="utf-8", exclude_characters="@#!*_~`\0"), max_size=60))
def test_what_is_typed_is_what_is_read(text: str) -> None:
    """Slack's escapes of typed text and its links are invisible to the reader."""
    assert plain(typed(text, {"ada": "U1"}), NAMES) == text


def test_names_become_mentions_and_tokens_stay() -> None:
    """@name is a mention, an address is not, and <@U…> is kept as sent."""
    assert typed("@ada ada@ada <@U9> a<b", {"ada": "U1"}) == "<@U1> ada@ada <@U9> a&lt;b"


def test_blocks_read_in_a_terminal() -> None:
    """A card is lines of text with its buttons in brackets; tables are aligned and charts are numbers."""
    cell = lambda text: {"type": "raw_text", "text": text}  # noqa: E731
    button = {"type": "button", "text": {"type": "plain_text", "text": "Start"}, "action_id": "go"}
    feedback = {
        "type": "feedback_buttons",
        "action_id": "fb",
        "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "1"},
        "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "0"},
    }
    series = [{"name": "loss", "data": [{"label": "1", "value": 2.5}, {"label": "2", "value": 1}]}]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Plan"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Model*\nPhi"}], "accessory": button},
        {"type": "table", "rows": [[cell("epoch"), cell("loss")], [cell("1"), cell("2.5")]]},
        {"type": "data_visualization", "title": "Loss", "chart": {"type": "line", "series": series}},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "asked by <@U1>"}]},
        {"type": "context_actions", "elements": [feedback]},
    ]
    assert lines(blocks, NAMES) == [
        "Plan",
        "Model: Phi",
        "[Start]",
        "epoch  loss",
        "1      2.5",
        "Loss",
        "loss  1: 2.5, 2: 1",
        "asked by @ada",
        "[Good] [Bad]",
    ]
    assert [control.label for control in controls(blocks)] == ["Start", "Good", "Bad"]
