"""Slack and Azure that fail now and then, and an Azure that goes away while it trains: the same end, a little later."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bot.local_slack.person import Person
from core.records.store import Store
from core.records.tables import Endpoint, Job
from tests.actors import MODEL, House, house, records
from tests.chaos.outcome import (
    LONG,
    assert_all_told,
    assert_one_endpoint_and_it_is_gone,
    assert_one_job,
    prepare,
    press,
)

ENDPOINT = "parrot-2"


@dataclass
class Lived:
    """How the story ended."""

    house: House
    ada: Person
    store: Store


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The whole life of a job and of an endpoint, among faults of every kind."""
    folder = tmp_path_factory.mktemp("faults")
    with house(folder) as here:
        ada = here.slack.person("ada")
        here.bot.start()
        prepare(ada, folder)
        launch(here, ada)
        deploy(here, ada)
        train(here, ada)
        tear_down(here, ada)
        ada.sees("Registered as", timeout=LONG)
        with records(here.bot) as store:
            yield Lived(here, ada, store)
        ada.close()


def launch(here: House, ada: Person) -> None:
    """Launch among faults."""
    slack, azure = here.slack.control, here.azure.control
    slack.add_fault("drop", "chat.postMessage", moment="after")
    slack.add_fault("ratelimited", "chat.postMessage", retry_after=1)
    ada.runs("/ft-launch num_train_epochs=2 per_device_train_batch_size=1")
    azure.add_fault("status", "/jobs/ft-", method="GET", status=503, code="ServiceUnavailable")
    azure.add_fault("drop", "/jobs/ft-", method="PUT", moment="after", times=3)
    press(ada, "Start the fine-tune")
    slack.add_fault("status", "chat.postMessage", status=500, moment="after")
    slack.add_fault("drop", "chat.postMessage")
    slack.add_fault("ratelimited", "chat.update", retry_after=1)
    slack.add_fault("error", "chat.update", error="internal_error")


def deploy(here: House, ada: Person) -> None:
    """Deploy the base model among faults while the job runs."""
    slack, azure = here.slack.control, here.azure.control
    endpoint, deployment = f"/onlineEndpoints/{ENDPOINT}$", f"/onlineEndpoints/{ENDPOINT}/deployments/[^/]+$"
    busy = {"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "1"}}
    ada.runs(f"/ft-deploy {MODEL} name={ENDPOINT}")
    azure.add_fault("status", endpoint, method="PUT", **busy)
    azure.add_fault("drop", endpoint, method="PUT", moment="after")
    azure.add_fault("status", deployment, method="PUT")
    azure.add_fault("drop", deployment, method="PUT", moment="after")
    slack.add_fault("drop", "chat.postMessage", moment="after", times=2)
    slack.add_fault("drop", "chat.update", times=2)
    press(ada, "Deploy")
    ada.sees(f"{ENDPOINT}\nServing", timeout=LONG)


def train(here: House, ada: Person) -> None:
    """Restart Azure in the middle of the training and of the serving; the model's registration has no answer."""
    ada.sees("It learns", timeout=LONG)
    here.restart_azure()
    here.azure.control.add_fault("drop", "/models/[^/]+/versions/", method="PUT", moment="after")


def tear_down(here: House, ada: Person) -> None:
    """Tear down among faults."""
    slack, azure = here.slack.control, here.azure.control
    azure.add_fault("status", f"/onlineEndpoints/{ENDPOINT}$", method="DELETE")
    azure.add_fault("drop", f"/onlineEndpoints/{ENDPOINT}$", method="DELETE", moment="after")
    slack.add_fault("status", "chat.postMessage", status=503)
    ada.runs(f"/ft-teardown {ENDPOINT}")
    press(ada, "Delete the endpoint")
    ada.sees("It is deleted. Billing stopped", timeout=LONG)


def test_there_is_one_job_and_one_model(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure has one pipeline job, which completed although Azure itself was restarted, and one model."""
    assert_one_job(lived.house, lived.store, monkeypatch)
    stages = lived.store.find(Job)[0].stages
    assert [stage["status"] for stage in stages] == ["Completed"] * 5


def test_there_was_one_endpoint_and_it_is_gone(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure had one endpoint with one deployment, and nothing is left that costs."""
    assert_one_endpoint_and_it_is_gone(lived.house, lived.store, monkeypatch)
    assert lived.store.get(Endpoint, ENDPOINT).failure is None


def test_every_message_is_there_once(lived: Lived) -> None:
    """Slack has every card in its last state and every reply, once; every event was told."""
    assert_all_told(lived.house, lived.ada, lived.store)
