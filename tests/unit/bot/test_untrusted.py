"""Nothing a model, a dataset or a log says can ping people or open a link."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from bot.cards.untrusted import clip, code, code_block, mrkdwn, neutralise, printable

TYPED = (
    "<!channel> <@U1> <#C1|x> https://evil.example/?q= [a](b) ![x](y) [a]:b @here www.evil.example mailto:a@b "
    "\u202e \u200b \x00 \ud800 ``` ` * & < > : / @ ! ] ( word"
)
HOSTILE = st.lists(st.sampled_from([*TYPED.split(" "), "\n", " "]) | st.text(max_size=5), max_size=40).map("".join)
LIVE = re.compile(r"<[@!#]|@(channel|here|everyone)|://|\]\(|\]\[|\]:|mailto:[^\s\u2060]|www\.", re.IGNORECASE)


@given(HOSTILE)
def test_nothing_live_is_left(text: str) -> None:
    """No mention, link, image or hidden character survives."""
    shown = neutralise(text)
    assert not LIVE.search(shown)
    bad = {unicodedata.category(c) for c in shown if c not in "\n\t\u2060"} & {"Cc", "Cf", "Cs", "Co"}
    assert not bad
    shown.encode()


@given(HOSTILE)
def test_it_still_reads_the_same(text: str) -> None:
    """Only invisible characters are added, so that a person reads what the model wrote."""
    assert neutralise(text).replace("\u2060", "") == printable(text)


@given(HOSTILE, HOSTILE)
def test_a_stream_only_ever_grows(first: str, second: str) -> None:
    """What was already streamed is never changed by what comes later."""
    first = printable(first)
    assert neutralise(first + second).startswith(neutralise(first))


@given(HOSTILE, st.integers(min_value=10, max_value=400))
def test_foreign_text_fits(text: str, limit: int) -> None:
    """Foreign text is cut to what its place can hold and keeps no markup."""
    assert len(clip(text, limit)) <= limit
    assert not re.search(r"[<>\n]", mrkdwn(text, limit))
    assert "`" not in code(text, limit).strip("`")
    block = code_block(text, limit)
    assert len(block) <= limit + 220
    assert block.count("```") == 2


def test_a_long_log_keeps_its_end() -> None:
    """The last lines of a log say why it failed, so they are the ones that stay."""
    assert "the reason" in code_block("x\n" * 5000 + "the reason")
    assert len(code_block("&" * 5000 + "the reason")) < 3000
