"""Every card is one that Slack takes, and nothing in it acts on its own, whatever is in the records."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from bot.announcer import tell
from bot.cards.amounts import duration, money, progress_bar, sparkline
from bot.cards.blocks import Card
from bot.cards.endpoint import reminder_card
from bot.cards.error import error_card, unexpected_card
from bot.cards.help import command_card, help_card
from bot.cards.overview import overview_card
from bot.cards.plan import plan_card
from bot.commands.catalogue import ALL
from bot.local_slack.blocks import message_problems
from core.errors import AzureRefused, ConflictError
from core.events import EventKind, SubjectKind
from core.operations.report_status import Overview
from core.records.store import subject_kind
from core.records.tables import Endpoint, Event, Job
from tests.unit.bot.records import COMPUTES, NOW, TEXT, datasets, endpoints, jobs, plans

MANY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
OURS = re.compile(r"<@U0(ADA|BOB)>|<!date\^\d+\^\{date_short_pretty\} \{time\}\|[^<>|]+>")
KINDS_OF = {
    SubjectKind.PLAN: [EventKind.PLANNED, EventKind.CONFIRMED, EventKind.DISMISSED],
    SubjectKind.DATASET: [EventKind.DATASET_REQUESTED, EventKind.DATASET_READY, EventKind.DATASET_FAILED],
    SubjectKind.COMPUTE: [EventKind.COMPUTE_REQUESTED, EventKind.COMPUTE_READY, EventKind.COMPUTE_FAILED],
    SubjectKind.JOB: [kind for kind in EventKind if kind.startswith("job_")],
    SubjectKind.ENDPOINT: [kind for kind in EventKind if kind.startswith(("endpoint_", "deployment_"))],
}


def check(card: Card) -> None:
    """Assert that Slack takes the card, by its own SDK's rules and by ours, and that it is harmless."""
    message = card.message()
    assert list(message_problems(message["blocks"])) == []
    for block in message["blocks"]:
        parsed = Block.parse(block)
        if parsed is not None:
            parsed.validate_json()
    text = json.dumps([*_texts(message["blocks"]), message["text"]], ensure_ascii=False)
    text.encode()
    assert "<" not in OURS.sub("", text)
    assert "https://evil" not in text


def _texts(node: object) -> list[str]:
    """Return all mrkdwn in a tree of blocks."""
    if isinstance(node, list):
        return [text for one in node for text in _texts(one)]
    if isinstance(node, dict):
        own = [node["text"]] if node.get("type") == "mrkdwn" else []
        return own + [text for one in node.values() for text in _texts(one)]
    return []


def an_event(kind: EventKind, record: object, **data: object) -> Event:
    return Event(
        id=1, at=NOW, kind=kind, subject_kind=subject_kind(record), subject_id=record.id, actor="U0BOB", data=data
    )


@MANY
@given(st.one_of(plans(), datasets(), COMPUTES, jobs(), endpoints()), st.data())
def test_whatever_happens_can_be_told(record: object, data: st.DataObject) -> None:
    """Each event of each record becomes messages that Slack takes: its card, and at most one reply in its thread."""
    kind = data.draw(st.sampled_from([*KINDS_OF[subject_kind(record)], EventKind.STEP_RETRIED, EventKind.STEP_REFUSED]))
    event = an_event(kind, record, message=data.draw(TEXT), what=data.draw(TEXT))
    posts = tell(event, record)
    assert posts[0].key == f"{event.subject_kind}:{record.id}:card"
    assert len(posts) <= 2
    for post in posts:
        check(Card(post.body["text"], tuple(post.body["blocks"])))
        assert post.channel == "C1"
    assert all(post.parent_key == posts[0].key for post in posts[1:])


@MANY
@given(endpoints())
def test_reminders_fit(endpoint: Endpoint) -> None:
    """A reminder names the owner and offers both ways out."""
    card = reminder_card(endpoint, NOW)
    check(card)
    assert "<@U0ADA>" in card.text
    assert [one["text"]["text"] for one in card.blocks[1]["elements"]] == ["Delete now", "Keep a while"]


@MANY
@given(st.lists(jobs(), max_size=12), st.lists(endpoints(), max_size=12), st.lists(datasets(), max_size=3))
def test_overviews_fit(some_jobs: list[Job], some_endpoints: list[Endpoint], some_datasets: list) -> None:
    """Everything there is fits in one message."""
    check(overview_card(Overview(tuple(some_jobs), tuple(some_endpoints), tuple(some_datasets)), NOW))


@MANY
@given(TEXT, TEXT, TEXT)
def test_errors_fit(what: str, why: str, next_: str) -> None:
    """An error is shown whole or cut, never live."""
    check(error_card(AzureRefused(what, why=why, next=next_, code=why, request_id=next_)))


def test_an_error_may_name_a_person() -> None:
    """Our own mentions of people stay, nothing else does."""
    card = error_card(ConflictError("<@U0ADA> has it, <!channel> does not."))
    assert "<@U0ADA>" in card.blocks[0]["text"]["text"]
    assert "<!channel>" not in card.blocks[0]["text"]["text"]


def test_help_fits() -> None:
    """Help on everything, and on each command."""
    for card in (help_card(ALL), unexpected_card("1a2b"), *map(command_card, ALL)):
        check(card)


@MANY
@given(plans())
def test_a_plan_that_is_taken_has_no_buttons(plan) -> None:
    """After one press there is nothing left to press, and the card says who it was."""
    card = plan_card(plan)
    pressed = any(block["type"] == "actions" for block in card.blocks)
    assert pressed == (plan.taken_by == "")
    assert plan.taken_by == "" or "Confirmed by <@U0BOB>" in json.dumps(card.blocks)
    assert not any(block["type"] == "actions" for block in plan_card(plan, dismissed_by="U0BOB").blocks)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (90000, "1 d 1 h"),
        (-5, "0 s"),
    ],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    """A duration is said in its two largest units."""
    assert duration(seconds) == words


def test_amounts_read_well() -> None:
    """Small amounts are told from nothing, progress stays within its bar, a curve has a shape."""
    assert (money(0), money(0.0195), money(1234.5), money(2, "EUR")) == ("$0.00", "$0.0195", "$1,234.50", "2.00 EUR")
    assert progress_bar(7).endswith("100%")
    assert progress_bar(-1).startswith("`░")
    assert sparkline([3.0, 2.0, 1.0]) == "█▄▁"
    assert sparkline([1.0]) == ""
    assert len(sparkline(list(range(100)))) == 24
