"""A long answer can be closed although an update takes less than a stream."""

from hypothesis import given
from hypothesis import strategies as st

from bot.cards.untrusted import escape
from bot.open_stream import BROKEN_OFF, CUT, UPDATED_BYTES, broken_off, split_for_update


def size(text: str) -> int:
    return len(escape(text).encode())


@given(st.text(st.sampled_from("a<&é😀\n"), max_size=60).map(lambda text: text * 150))
def test_an_update_holds_as_much_as_it_can(text: str) -> None:
    """What does not fit into an update is left over, nothing is lost, and no character more would fit."""
    first, rest = split_for_update(text)
    assert first + rest == text
    assert size(first) <= UPDATED_BYTES
    assert not rest or size(first + rest[0]) > UPDATED_BYTES


@given(st.text(st.sampled_from("a<&é😀\n"), max_size=60).map(lambda text: text * 150))
def test_a_broken_off_answer_always_fits(text: str) -> None:
    """However long an answer was when it broke off, Slack takes the update that says so."""
    shown = broken_off(text)
    assert size(shown) <= UPDATED_BYTES
    assert BROKEN_OFF in shown
    assert shown.endswith(CUT) != shown.startswith(text)
