"""Whatever is typed after whichever command is carried out, or refused in words; nothing else ever comes out."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.commands.catalogue import BUTTONS, COMMANDS, run_command, run_words
from bot.requests import Dependencies, Request, from_button, from_command, from_words
from core.errors import AzureUnavailable, UserError
from core.records.store import Store
from core.services import Requester, Services
from core.settings import Settings
from tests.unit.bot.records import TEXT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HERE = Requester("U1", "C1", "T1")


class Unreachable:
    """Azure on a day when it does not answer."""

    def __getattr__(self, name: str) -> None:
        raise AzureUnavailable("Azure did not answer.")


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dependencies]:
    """Empty records, and no Azure."""
    folder: Path = tmp_path_factory.mktemp("records")
    store = Store.open(f"sqlite:///{folder / 'records.sqlite'}")
    yield Dependencies(Services(Settings(folder=folder), store, Unreachable(), lambda: NOW), None)
    store.close()


TYPED = st.lists(TEXT | st.sampled_from(["ft-1", "test", "log", "none", "=", "model=x", "size=x"]), max_size=4).map(
    " ".join
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(COMMANDS)), TYPED, st.booleans())
def test_any_text_is_answered_in_words(dependencies: Dependencies, word: str, text: str, said: bool) -> None:
    """A command with any text, typed or said, ends in an answer or in an error for people."""
    try:
        if said:
            run_words(Request(HERE, "k", f"{word} {text}", answer_thread="1.0"), dependencies)
        else:
            run_command(word, Request(HERE, "k", text, private=True), dependencies)
    except UserError as error:
        assert error.what


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(BUTTONS)), TEXT)
def test_any_button_value_is_answered_in_words(dependencies: Dependencies, action: str, value: str) -> None:
    """A button of a message that is older than the records is refused in words."""
    try:
        BUTTONS[action](Request(HERE, "k", value), dependencies)
    except UserError as error:
        assert error.what


def test_requests_know_where_they_come_from() -> None:
    """A command, a button in a thread and a mention say who asks, where, and where the answer belongs."""
    typed = from_command(
        {
            "user_id": "U1",
            "channel_id": "C1",
            "team_id": "T1",
            "text": "x",
            "trigger_id": "9",
            "response_url": "https://r",
        }
    )
    assert (typed.requester, typed.key, typed.private) == (HERE, "command:9", True)
    pressed = from_button(
        {
            "user": {"id": "U1"},
            "team": {"id": "T1"},
            "channel": {"id": "C1"},
            "container": {"message_ts": "5.0", "thread_ts": "4.0"},
            "actions": [{"action_id": "a", "action_ts": "6.0", "value": "v"}],
        }
    )
    assert (pressed.requester.thread, pressed.text, pressed.key) == ("4.0", "v", "button:a:6.0:U1")
    said = from_words({"user": "U1", "channel": "C1", "ts": "7.0", "text": "Hey <@UB>, status"}, "T1", "UB")
    assert (said.requester.thread, said.answer_thread, said.key) == ("", "7.0", "said:C1:7.0")
    assert said.text == "Hey  , status"
    assert (
        from_words({"user": "U1", "channel": "C1", "ts": "7", "text": "<@UB|bot>: status x"}, "T", "UB").text
        == "status x"
    )
