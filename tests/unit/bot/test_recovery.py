"""What the bot had acknowledged when it died is carried out or spoken of by the next one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.cards.endpoint import ASK
from bot.cards.plan import CONFIRM, DISMISS
from bot.conversation import Conversation
from bot.desk import Desk
from bot.open_stream import OpenStream
from bot.recovery import take_up
from bot.requests import Dependencies, Request, from_button, from_command, from_words
from core.clock import AdjustableClock
from core.events import EventKind
from core.operations.dismiss_plan import dismiss_plan
from core.records.deliveries import TOO_OLD, Deliveries
from core.records.store import Store
from core.records.tables import Delivery, Event, Message, Plan
from core.services import Services
from core.settings import Settings


@dataclass
class Life:
    """One life of a bot in a folder; a request that is noted and not taken is one that it died over."""

    services: Services
    deliveries: Deliveries
    slack: "UnreachableSlack"

    def next(self) -> None:
        """Let the next process take up what this one left, and finish it."""
        workers = ThreadPoolExecutor(1)
        desk = Desk(self.deliveries, self.slack, workers, lambda: None)
        self.deliveries.release()
        take_up(self.deliveries, desk, Dependencies(self.services, Conversation(self.services, self.slack)))
        workers.shutdown(wait=True)

    def dies_over(self, request: Request) -> None:
        """Note a request, as it is before its acknowledgement, and do no more."""
        desk = Desk(self.deliveries, self.slack, ThreadPoolExecutor(1), lambda: None)
        assert desk.note(request)

    def said(self) -> list[tuple[str, str, str]]:
        """Return to whom something is said in private, in which thread, and what."""
        rows = self.services.store.find(Message, Message.person != "")
        return [(row.person, row.thread, str(row.body["text"])) for row in rows]

    def undone(self) -> list[str]:
        return [row.key for row in self.services.store.find(Delivery, Delivery.done_at.is_(None))]


class UnreachableSlack(WebClient):
    """Notes whom the desk wanted to answer at once: only the outbox may speak of a restart."""

    def __init__(self) -> None:
        super().__init__("xoxb-none", "http://127.0.0.1:1/")
        self.answered: list[str] = []

    def chat_postEphemeral(self, **arguments: Any) -> None:  # noqa: N802  (the SDK's name)
        self.answered.append(str(arguments["text"]))


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """A bot with an open plan of Ada's."""
    store, clock = Store.open(f"sqlite:///{tmp_path / 'records.sqlite'}"), AdjustableClock()
    with store.transaction() as session:
        now = clock()
        session.add(
            Plan(
                id="plan-1",
                kind="cancel",
                body={"id": "ft-1", "owner": "U0ADA", "state": "Running", "step": 1, "max_steps": None},
                owner="U0ADA",
                channel="C1",
                created_at=now,
                expires_at=now + timedelta(minutes=30),
            )
        )
    services = Services(Settings(folder=tmp_path), store, None, clock)
    yield Life(services, Deliveries(store, clock, "folder"), UnreachableSlack())
    store.close()


def press(action: str, value: str = "plan-1", user: str = "U0ADA", at: str = "1.0") -> Request:
    button = {"action_id": action, "action_ts": at, "value": value, "text": {"text": "Ask it"}}
    where = {"container": {"message_ts": "5.0"}, "channel": {"id": "C1"}, "team": {"id": "T1"}}
    return from_button({"actions": [button], "user": {"id": user}, **where})


COMMAND = from_command(
    {
        "command": "/ft-data",
        "text": "https://store/rows.jsonl?sig=secret",
        "user_id": "U0ADA",
        "channel_id": "C1",
        "trigger_id": "1.2",
        "response_url": "https://hooks/secret",
    }
)


def test_a_press_is_carried_out_after_the_restart(life: Life) -> None:
    """Nobody presses again: the plan is dismissed by the press that the dead process had acknowledged, once."""
    life.dies_over(press(DISMISS))
    life.next()
    life.next()
    [event] = life.services.store.find(Event)
    assert (event.kind, event.actor) == (EventKind.DISMISSED, "U0ADA")
    assert (life.undone(), life.slack.answered, life.said()) == ([], [], [])


def test_a_press_that_had_its_effect_is_no_error(life: Life) -> None:
    """A process that dies between the effect of a press and its end leaves nobody with an error message."""
    life.dies_over(press(DISMISS))
    dismiss_plan(life.services, "plan-1", "U0ADA")
    life.next()
    assert [event.kind for event in life.services.store.find(Event)] == [EventKind.DISMISSED]
    assert (life.undone(), life.slack.answered, life.said()) == ([], [], [])


def test_a_press_that_came_too_late_is_told(life: Life) -> None:
    """Who pressed a plan that somebody else dismissed meanwhile is told so, as always."""
    life.dies_over(press(CONFIRM))
    life.services.clock.advance(timedelta(minutes=31))
    life.next()
    assert life.undone() == []
    assert ["expired" in text for text in life.slack.answered] == [True]


@pytest.mark.parametrize(
    ("request_", "called", "thread"),
    [
        (COMMAND, "`/ft-data …`", ""),
        (press(ASK), "“Ask it”", "5.0"),
        (from_words({"user": "U0ADA", "channel": "C1", "ts": "7.0"}, "T1", "UBOT"), "your message", ""),
        (from_words({"user": "U0ADA", "channel": "C1", "ts": "8.0", "thread_ts": "5.0"}, "T1", "U"), "your", "5.0"),
    ],
)
def test_everything_else_is_not_repeated_but_told_once(life: Life, request_: Request, called: str, thread: str) -> None:
    """A command, another button or a question that was cut off is said to its sender alone, where it was asked."""
    life.dies_over(request_)
    life.next()
    life.next()
    [(person, where, text)] = life.said()
    assert (person, where) == ("U0ADA", thread)
    assert text.startswith(f"I was restarted while I worked on {called}")
    assert "please send it again" in text
    assert life.undone() == []


def test_what_was_typed_is_not_written_down(life: Life) -> None:
    """A link with a key in it, and Slack's response_url, do not get into the records."""
    life.dies_over(COMMAND)
    assert "secret" not in str(life.services.store.find(Delivery)[0].request)


def test_an_answer_that_broke_off_is_not_spoken_of_twice(life: Life) -> None:
    """The half answer says itself that it broke off."""
    life.dies_over(from_words({"user": "U0ADA", "channel": "C1", "ts": "7.0"}, "T1", "UBOT"))
    OpenStream(life.services.store, life.services.clock, "C1", "7.0").shows("7.1", "It is")
    life.next()
    assert (life.said(), life.undone()) == ([], [])


def test_what_is_old_is_left_alone(life: Life) -> None:
    """After an hour nothing is carried out and nothing is said."""
    for request in (COMMAND, press(DISMISS)):
        life.dies_over(request)
    life.services.clock.advance(TOO_OLD + timedelta(seconds=1))
    life.next()
    assert (life.said(), life.undone(), life.services.store.find(Event)) == ([], [], [])
