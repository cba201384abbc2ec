"""What must be true at the end of every life of a job and of an endpoint, whatever happened in between."""

import json
from collections import Counter
from pathlib import Path

import pytest
from azure.ai.ml import MLClient

from bot.local_slack.person import Message, Person
from bot.outbox import METADATA_TYPE
from core.events import EventKind, SubjectKind
from core.records.store import Store
from core.records.tables import Endpoint, Event, Job, Plan, PlanKind
from core.records.tables import Message as OutboxMessage
from tests.actors import House, until

LONG = 120.0
"""Seconds."""
REPLIES = (
    *("The dataset", "The job has started", "It learns", "The fine-tune is finished", "Registered as"),
    *("Deployed:", "Deleting was asked for", "It is deleted. Billing stopped"),
)
OF_THE_JOB = (
    *(EventKind.JOB_REQUESTED, EventKind.JOB_SUBMITTED, EventKind.JOB_STARTED),
    *(EventKind.JOB_FIRST_METRICS, EventKind.JOB_COMPLETED, EventKind.JOB_REGISTERED),
)
OF_THE_ENDPOINT = (
    *(EventKind.ENDPOINT_REQUESTED, EventKind.ENDPOINT_CREATED, EventKind.DEPLOYMENT_SUCCEEDED),
    *(EventKind.ENDPOINT_DEPLOYED, EventKind.ENDPOINT_DELETE_REQUESTED, EventKind.ENDPOINT_DELETED),
)


def prepare(ada: Person, folder: Path) -> None:
    """Prepare a dataset of sums."""
    rows = [
        {"messages": [{"role": "user", "content": f"{n} plus {n}?"}, {"role": "assistant", "content": f"{2 * n}."}]}
        for n in range(24)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ada.runs(f"/ft-data {folder / 'sums.jsonl'} validation=20 test=20")
    ada.sees("Ready:", timeout=LONG)


def press(ada: Person, button: str) -> None:
    """Wait for the plan with this button and press it."""
    ada.clicks(ada.sees(lambda message: button in message.buttons, timeout=LONG), button)


def workspace(here: House, monkeypatch: pytest.MonkeyPatch) -> MLClient:
    """Return the SDK's client of the workspace, as its owner looks into it."""
    from azure.identity import DefaultAzureCredential

    for name, value in here.azure.environment.items():
        monkeypatch.setenv(name, value)
    found = here.azure.workspace
    return MLClient(DefaultAzureCredential(), found.subscription, found.resource_group, found.name)


def assert_one_job(here: House, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure has one pipeline job, which completed, and one version of one model; both are the record's."""
    client = workspace(here, monkeypatch)
    [job] = store.find(Job)
    assert [(found.name, found.status) for found in client.jobs.list()] == [(job.id, "Completed")]
    assert [model.name for model in client.models.list()] == [job.model_name]
    assert [model.version for model in client.models.list(job.model_name)] == [job.model_version]


def assert_one_endpoint_and_it_is_gone(here: House, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was ever put on Azure was one endpoint with one deployment, and nothing is left that costs."""
    [endpoint] = store.find(Endpoint)
    calls = here.azure_calls("/onlineEndpoints/", "PUT")
    resources = {call.path.rpartition("/onlineEndpoints/")[2] for call in calls}
    assert resources == {endpoint.id, f"{endpoint.id}/deployments/{endpoint.deployment}"}
    assert list(workspace(here, monkeypatch).online_endpoints.list()) == []
    assert endpoint.state == "Gone"
    assert endpoint.billing_stopped_at is not None


def assert_plans_carried_out_once(store: Store) -> None:
    """Every plan was taken once, however often its button was pressed."""
    plans = store.find(Plan)
    assert Counter(plan.kind for plan in plans) == {PlanKind.FINETUNE: 1, PlanKind.DEPLOY: 1, PlanKind.TEAR_DOWN: 1}
    for plan in plans:
        assert kinds_of(store, SubjectKind.PLAN, plan.id).count(EventKind.CONFIRMED) == 1


def assert_all_told(here: House, ada: Person, store: Store) -> None:
    """Slack has each message that was written down once, in its newest state, and what a person expects is there."""
    until(lambda: all(row.sent_revision == row.wanted_revision for row in store.find(OutboxMessage, limit=1_000)))
    written = store.find(OutboxMessage, OutboxMessage.person == "", limit=1_000)
    said = everything_said(here, ada)
    assert Counter(key_of(message) for message in said if key_of(message)) == Counter(row.key for row in written)
    assert {row.state for row in written} == {"sent"}
    cards = [m for m in ada.channel() if key_of(m).endswith(":card")]
    kinds = sorted(key_of(card).partition(":")[0] for card in cards)
    assert kinds == ["dataset", "endpoint", "job", "plan", "plan", "plan"]
    last = {key_of(card).partition(":")[0]: card.words() for card in cards}
    assert "Completed and registered as" in last["job"]
    assert "Deleted. Billing stopped" in last["endpoint"]
    assert all("Confirmed by @ada" in card.words() for card in cards if key_of(card).startswith("plan:"))
    replies = [m.words() for m in said if key_of(m).startswith("event:")]
    assert {words: sum(words in reply for reply in replies) for words in REPLIES} == dict.fromkeys(REPLIES, 1)


def assert_history_is_whole(store: Store) -> None:
    """Every event was told, and what can happen once is in the history once, in the order in which it happened."""
    assert store.find(Event, Event.told_at.is_(None)) == []
    [job], [endpoint] = store.find(Job), store.find(Endpoint)
    assert [kind for kind in kinds_of(store, SubjectKind.JOB, job.id) if kind in OF_THE_JOB] == [*OF_THE_JOB]
    lived = kinds_of(store, SubjectKind.ENDPOINT, endpoint.id)
    assert [kind for kind in lived if kind in OF_THE_ENDPOINT] == [*OF_THE_ENDPOINT]


def everything_said(here: House, ada: Person) -> list[Message]:
    """Return all messages of the bot in the channel and its threads."""
    said = [reply for message in ada.channel() for reply in ada.thread(message)]
    return [message for message in said if message.user == here.slack.bot_user_id]


def key_of(message: Message) -> str:
    """Return the delivery key of one of the bot's cards and replies; empty for an answer of a model."""
    metadata = message.metadata
    return metadata["event_payload"]["key"] if metadata.get("event_type") == METADATA_TYPE else ""


def kinds_of(store: Store, subject: SubjectKind, id_: str) -> list[str]:
    """Return the kinds of a record's events, oldest first."""
    return [event.kind for event in store.events(subject, id_)]
