"""What happened is told once, in the words that people want, and only what matters mentions them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.announcer import Announcer, subject_of, tell
from core.events import EventKind, SubjectKind
from core.records.store import Store, record_event
from core.records.tables import Dataset, Endpoint, Event, Job, Message

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHO = {"owner": "U0ADA", "team": "T1", "channel": "C1", "thread": "", "created_at": NOW}


def a_job(**changes: object) -> Job:
    named = {
        "id": "ft-1",
        "plan_id": "plan-1",
        "dataset_id": "data-1",
        "wanted": "registered",
        "spec": {"display_name": "phi-support", "model_name": "Phi-4", "compute": "gpu", "dataset_name": "support"},
        "state": "Running",
        "stages": [{"name": "chat_completion_finetune", "status": "Running"}],
        "step": 12,
        "max_steps": 60,
        "loss": 1.834,
        "losses": [[1, 2.5], [12, 1.834]],
        "eta_seconds": 180.0,
        "model_name": "",
        "model_version": "",
        "step_error": "",
    }
    return Job(**{**named, **WHO, **changes})


def an_endpoint(**changes: object) -> Endpoint:
    named = {
        "id": "phi-1",
        "plan_id": "plan-2",
        "wanted": "up",
        "deployment": "demo",
        "deployment_state": "Succeeded",
        "state": "Succeeded",
        "traffic": 100,
        "model_name": "phi-support",
        "model_version": "3",
        "instance_type": "Standard_NC24ads_A100_v4",
        "instance_count": 1,
        "price_per_hour": 3.673,
        "currency": "USD",
        "price_source": "",
        "billing_started_at": NOW - timedelta(hours=10),
        "deployed_at": NOW - timedelta(hours=9),
        "step_error": "",
    }
    return Endpoint(**{**named, **WHO, **changes})


def an_event(kind: EventKind, record: Job | Endpoint, **data: object) -> Event:
    subject = SubjectKind.JOB if isinstance(record, Job) else SubjectKind.ENDPOINT
    return Event(id=7, at=NOW, kind=kind, subject_kind=subject, subject_id=record.id, actor="U0BOB", data=data)


def told(kind: EventKind, record: Job | Endpoint, **data: object) -> str:
    """Return the reply in the thread; empty when the card is enough."""
    replies = tell(an_event(kind, record, **data), record)[1:]
    return replies[0].body["text"] if replies else ""


FAILURE = {
    "code": "UserError",
    "message": "out of memory",
    "stage": "chat_completion_finetune",
    "log": ["step 3", "oom"],
}


@pytest.mark.parametrize(
    ("kind", "record", "words"),
    [
        (EventKind.JOB_STARTED, a_job(), ["has started"]),
        (EventKind.JOB_FIRST_METRICS, a_job(), ["loss 1.834", "step 12"]),
        (
            EventKind.JOB_COMPLETED,
            a_job(
                state="Completed",
                eval_loss_before=2.5,
                eval_loss_after=1.25,
                started_at=NOW,
                finished_at=NOW + timedelta(minutes=4),
            ),
            ["<@U0ADA>", "finished after 4 min", "2.500 → 1.250"],
        ),
        (
            EventKind.JOB_FAILED,
            a_job(state="Failed", failure=FAILURE),
            ["<@U0ADA>", "Fine-tune", "out of memory", "oom"],
        ),
        (EventKind.JOB_CANCEL_REQUESTED, a_job(), ["asked for by <@U0BOB>"]),
        (EventKind.JOB_CANCELED, a_job(state="Canceled"), ["cancelled"]),
        (EventKind.JOB_REGISTERED, a_job(model_name="phi-support", model_version="3"), ["phi-support:3"]),
        (EventKind.ENDPOINT_DEPLOYED, an_endpoint(), ["$3.67 per hour", "$88.15 per day", "until it is deleted"]),
        (
            EventKind.ENDPOINT_IDLE,
            an_endpoint(),
            ["<@U0ADA>", "No requests for 9 h", "$36.73 in 10 h", "$88.15 per day"],
        ),
        (EventKind.ENDPOINT_DELETED, an_endpoint(state="Gone", billing_stopped_at=NOW), ["Billing stopped", "$36.73"]),
        (
            EventKind.ENDPOINT_GONE,
            an_endpoint(state="Gone", billing_stopped_at=NOW),
            ["Somebody deleted it outside of Slack"],
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_the_thread_says_what_people_want_to_know(kind: EventKind, record: Job | Endpoint, words: list[str]) -> None:
    """Losses before and after, why it failed, what it costs: said when it happens, in the record's thread."""
    posts = tell(an_event(kind, record), record)
    said = str(posts[1].body["blocks"]) + posts[1].body["text"]
    assert [word for word in words if word not in said] == []
    assert posts[1].parent_key == posts[0].key


def test_progress_only_changes_the_card() -> None:
    """Progress pings nobody: stage, bar, loss and time left are on the card."""
    job = a_job()
    for kind in (
        EventKind.JOB_PROGRESSED,
        EventKind.JOB_STAGE_CHANGED,
        EventKind.STEP_RETRIED,
        EventKind.JOB_SUBMITTED,
    ):
        posts = tell(an_event(kind, job), job)
        assert len(posts) == 1
    card = str(posts[0].body["blocks"])
    assert all(
        words in card
        for words in ("step 12 of 60", "20%", "loss 1.834", "about 3 min left", ":arrow_forward: Fine-tune")
    )


def test_only_what_is_done_failed_or_idle_mentions_the_owner() -> None:
    """People are mentioned when there is something to do or to be glad of, not for every move."""
    mentioning = {
        EventKind.JOB_COMPLETED,
        EventKind.JOB_FAILED,
        EventKind.JOB_CANCELED,
        EventKind.DEPLOYMENT_FAILED,
        EventKind.ENDPOINT_IDLE,
        EventKind.STEP_REFUSED,
    }
    for kind in EventKind:
        record = a_job(failure=FAILURE) if kind.startswith(("job", "step")) else an_endpoint(failure=FAILURE)
        if kind.startswith(("job", "step", "endpoint", "deployment")):
            assert ("<@U0ADA>" in told(kind, record)) == (kind in mentioning), kind


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Records with a dataset in them."""
    opened = Store.open(f"sqlite:///{tmp_path / 'records.sqlite'}")
    with opened.transaction() as session:
        dataset = Dataset(id="data-1", request={"source": "a.jsonl"}, **WHO)
        session.add(dataset)
        record_event(session, dataset, EventKind.DATASET_REQUESTED, NOW)
        record_event(session, dataset, EventKind.DATASET_READY, NOW)
    yield opened
    opened.close()


def test_each_event_is_told_once(store: Store) -> None:
    """However often it looks, the announcer writes one card and one reply, and marks the events as told with them."""
    announcer = Announcer(store, lambda: NOW)
    assert (announcer.announce_once(), announcer.announce_once()) == (2, 0)
    rows = store.find(Message, newest_first=False)
    assert [row.key for row in rows] == ["dataset:data-1:card", "event:2"]
    assert {event.told_at for event in store.find(Event)} == {NOW}


def test_an_event_that_cannot_be_told_does_not_block_others(store: Store) -> None:
    """A record nobody can render costs its own message only."""
    with store.transaction() as session:
        session.get_one(Dataset, "data-1").request = {}
        good = Dataset(id="data-2", request={"source": "b.jsonl"}, **WHO)
        session.add(good)
        record_event(session, good, EventKind.DATASET_REQUESTED, NOW)
    Announcer(store, lambda: NOW).announce_once()
    assert [row.key for row in store.find(Message)] == ["dataset:data-2:card"]
    assert store.find(Event, Event.told_at.is_(None)) == []


def test_a_card_leads_to_its_record() -> None:
    """A thread's first message says what the thread is about; other messages say nothing."""
    assert subject_of("job:ft-1:card") == (SubjectKind.JOB, "ft-1")
    assert subject_of("event:7") is None
    assert subject_of("") is None
    assert subject_of("job:ft-1:card:refused") is None
