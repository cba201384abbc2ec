"""What the bot says by itself arrives in order, at Slack's pace, and once, whatever happens on the way."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.local_slack.control_client import Kind, Moment
from bot.local_slack.server import RunningWorkspace, running_workspace
from bot.manifest import manifest_path
from bot.outbox import Outbox, Post, put, thread_of
from core.clock import AdjustableClock
from core.records.store import Store
from core.records.tables import Message

CARD_EVERY = timedelta(seconds=4)


@pytest.fixture(scope="module")
def clock() -> AdjustableClock:
    """The time of the bot and of Slack."""
    return AdjustableClock()


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory, clock: AdjustableClock) -> Iterator[RunningWorkspace]:
    """A workspace."""
    with running_workspace(tmp_path_factory.mktemp("slack"), manifest=manifest_path(), clock=clock) as running:
        yield running


class Line:
    """One channel, and an outbox that writes to it."""

    def __init__(self, store: Store, slack: RunningWorkspace, clock: AdjustableClock, channel: str) -> None:
        self.store, self.slack, self.clock, self.channel = store, slack, clock, channel
        self.client = WebClient(slack.bot_token, slack.url, timeout=5, retry_handlers=[])
        self.refused: list[Message] = []
        self.outbox = self.new_outbox()

    def new_outbox(self) -> Outbox:
        return Outbox(self.store, self.client, self.clock, CARD_EVERY, self.refused.append)

    def put(self, *posts: tuple[str, str], parent_key: str = "", channel: str = "") -> None:
        with self.store.transaction() as session:
            for key, text in posts:
                put(session, Post(key, channel or self.channel, {"text": text}, parent_key=parent_key))

    def deliver(self, seconds: float = 60) -> None:
        """Deliver until nothing waits, at most `seconds` of the injected time."""
        end = self.clock() + timedelta(seconds=seconds)
        while (delay := self.outbox.deliver_once()) is not None and self.clock() < end:
            self.clock.advance(timedelta(seconds=max(delay, 0.01)))

    def texts(self, thread: str = "") -> list[str]:
        """Return what is in the channel, or in a thread without its first message, oldest first."""
        if thread:
            return [m["text"] for m in self.client.conversations_replies(channel=self.channel, ts=thread)["messages"]][
                1:
            ]
        return [m["text"] for m in self.client.conversations_history(channel=self.channel)["messages"]][::-1]

    def row(self, key: str) -> Message:
        return self.store.find(Message, Message.key == key)[0]


@pytest.fixture
def line(
    tmp_path: Path, slack: RunningWorkspace, clock: AdjustableClock, request: pytest.FixtureRequest
) -> Iterator[Line]:
    """An empty channel and an empty outbox."""
    store = Store.open(f"sqlite:///{tmp_path / 'records.sqlite'}")
    clock.advance(timedelta(minutes=2))
    yield Line(store, slack, clock, slack.control.add_channel(request.node.name[5:60].replace("_", "-")))
    slack.control.clear_faults()
    store.close()


def test_messages_arrive_in_order(line: Line) -> None:
    """Messages of a channel arrive in the order in which they were written, replies under what they belong to."""
    line.put(("job:1:card", "the card"))
    line.put(("e:1", "started"), ("e:2", "finished"), parent_key="job:1:card")
    line.put(("e:3", "another"))
    line.deliver()
    card = line.row("job:1:card")
    assert line.texts() == ["the card", "another"]
    assert line.texts(card.ts) == ["started", "finished"]
    assert thread_of(line.store, line.channel, card.ts) == "job:1:card"


def test_at_most_one_message_a_second(line: Line) -> None:
    """A channel gets one message a second, and Slack never has to refuse one."""
    line.put(*[(f"e:{n}", str(n)) for n in range(8)])
    begun = line.clock()
    line.deliver()
    assert line.texts() == [str(n) for n in range(8)]
    assert line.clock() - begun >= timedelta(seconds=7)
    assert all(call.status == 200 for call in line.slack.control.calls("chat.postMessage"))


def test_only_the_last_state_of_a_card_counts(line: Line) -> None:
    """A card that changes often is updated at its pace, and its last state always arrives."""
    line.put(("job:1:card", "queued"))
    line.deliver()
    line.slack.control.clear_faults()
    for step in range(20):
        line.put(("job:1:card", f"step {step}"))
        line.outbox.deliver_once()
        line.clock.advance(timedelta(seconds=0.5))
    line.deliver()
    assert line.texts() == ["step 19"]
    assert 1 <= len(line.slack.control.calls("chat.update")) <= 4
    line.put(("job:1:card", "step 19"))
    assert line.outbox.deliver_once() is None


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
def test_slack_says_when_to_come_back(line: Line, method: str) -> None:
    """Retry-After is honoured: nothing is sent before it, and then it arrives once."""
    if method == "chat.update":
        line.put(("a:card", "old"))
        line.deliver()
        line.clock.advance(CARD_EVERY)
    line.slack.control.add_fault(Kind.RATE_LIMITED, method, retry_after=30)
    line.put(("a:card", "new"))
    delay = line.outbox.deliver_once()
    assert delay == pytest.approx(30, abs=1)
    assert line.outbox.deliver_once() == pytest.approx(30, abs=1)
    line.deliver()
    assert line.texts() == ["new"]


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("parent", ["", "job:1:card"])
def test_a_message_in_doubt_is_not_sent_twice(line: Line, moment: Moment, parent: str) -> None:
    """When the connection breaks while a message is sent, it is in Slack once in the end, in the right place."""
    line.put(("e:0", "before"), ("job:1:card", "the card"))
    line.deliver()
    line.clock.advance(CARD_EVERY)
    thread = line.row("job:1:card").ts if parent else ""
    line.slack.control.add_fault(Kind.DROP, "chat.postMessage", moment=moment)
    line.put(("e:1", "in doubt"), ("e:2", "after"), parent_key=parent)
    assert line.outbox.deliver_once() is not None
    assert line.row("e:1").state == "sending"
    line.deliver()
    assert line.texts(thread)[-2:] == ["in doubt", "after"]
    assert line.texts(thread).count("in doubt") == 1


def test_a_card_in_doubt_is_brought_up_to_date(line: Line) -> None:
    """A card that changed while it was in doubt is found, then updated."""
    line.slack.control.add_fault(Kind.DROP, "chat.postMessage", moment=Moment.AFTER)
    line.put(("job:1:card", "queued"))
    line.outbox.deliver_once()
    line.put(("job:1:card", "running"))
    line.deliver()
    assert line.texts() == ["running"]


def test_what_a_dead_process_was_sending_is_looked_for(line: Line) -> None:
    """A process that dies while it sends leaves a row in doubt; the next one finds the message in the channel."""
    line.slack.control.add_fault(Kind.DROP, "chat.postMessage", moment=Moment.AFTER)
    line.put(("e:1", "once"), ("e:2", "next"))
    line.outbox.deliver_once()
    line.outbox = line.new_outbox()
    line.deliver()
    assert line.texts() == ["once", "next"]


def test_a_refused_message_holds_nobody_up(line: Line) -> None:
    """A message Slack refuses for good is noted with the reason, and others go on."""
    line.put(("e:1", "lost"), channel="C0NOWHERE")
    line.put(("e:2", "fine"))
    line.deliver()
    assert (line.row("e:1").state, line.row("e:1").error) == ("refused", "channel_not_found")
    assert line.texts() == ["fine"]
    assert [one.key for one in line.refused] == ["e:1"]


def test_a_private_message_in_doubt_is_not_repeated(line: Line) -> None:
    """What one person alone sees cannot be looked for: it is said once at most, and holds nobody up."""
    ada = line.slack.person("ada")
    line.slack.control.add_fault(Kind.DROP, "chat.postEphemeral", moment=Moment.AFTER)
    with line.store.transaction() as session:
        put(session, Post("p:1", line.channel, {"text": "for you"}, person=ada.id))
    line.put(("e:1", "for all"))
    line.deliver()
    ada.close()
    assert len(line.slack.control.calls("chat.postEphemeral")) == 1
    assert line.row("p:1").state == "sent"
    assert line.texts() == ["for all"]


def test_slack_in_trouble_is_tried_again(line: Line) -> None:
    """An error of Slack's own passes, and the message arrives once."""
    line.slack.control.add_fault(Kind.STATUS, "chat.postMessage", times=2, status=503)
    line.put(("e:1", "patience"))
    line.deliver()
    assert line.texts() == ["patience"]
