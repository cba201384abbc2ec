"""The reconciler's threads: what is due is done once, what fails is tried again later, what was refused is told."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from core.azure.workspace import Workspace
from core.clock import AdjustableClock
from core.datasets import DatasetRequest
from core.errors import AzureRefused, AzureUnavailable
from core.events import EventKind, SubjectKind
from core.operations.prepare_dataset import request_dataset
from core.reconciler import Reconciler
from core.reconciler.worker import CLAIM
from core.records.store import Store
from core.records.tables import Dataset, Endpoint, Job
from core.services import Requester, Services
from core.settings import Settings
from tests.unit.operations.records import NOW, a_job, an_endpoint
from tests.unit.reconciler.remote import Remote
from tests.unit.reconciler.test_crashes import added

ANA = Requester("UANA", "C1")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = Settings(folder=tmp_path)
    store = Store.open(settings.database)
    yield Services(settings, store, cast(Workspace, Remote()), AdjustableClock(lambda: NOW))
    store.close()


@pytest.fixture
def remote(services) -> Any:
    return services.azure


def test_nothing_to_do(services):
    """Without anything asked for, there is nothing to wait for."""
    assert Reconciler(services, "a").reconcile_once() is None


def test_seconds_until_the_next_look(services):
    """After a step the reconciler says when it has to look again."""
    added(services.store, a_job())
    assert Reconciler(services, "a").reconcile_once() == pytest.approx(15)
    assert services.store.get(Job, "ft-aaaaaaaa").state == "NotStarted"


def test_unanswered_step_is_tried_again(services, remote):
    """What Azure does not answer is tried again, later each time, and that is told once."""
    job = added(services.store, a_job())
    reconciler = Reconciler(services, "a")
    for seconds in (5, 10, 20):
        remote.next_fault = ("before", AzureUnavailable("Azure did not answer.", why="timeout"))
        assert reconciler.reconcile_once() == pytest.approx(seconds)
        services.clock.advance(timedelta(seconds=seconds))
    assert services.store.get(Job, job.id).step_error == "Azure did not answer. timeout"
    reconciler.reconcile_once()
    job = services.store.get(Job, job.id)
    assert (job.state, job.attempts, job.step_error) == ("NotStarted", 0, "")
    retried = [e for e in services.store.events(SubjectKind.JOB, job.id) if e.kind == EventKind.STEP_RETRIED]
    assert [event.data["why"] for event in retried] == ["timeout"]


def test_refused_job_has_failed(services, remote):
    """What Azure refuses for good ends the job with its words."""
    job = added(services.store, a_job())
    remote.next_fault = ("before", AzureRefused("Azure refused.", why="no quota", next="Ask for more.", code="Quota"))
    assert Reconciler(services, "a").reconcile_once() is None
    job = services.store.get(Job, job.id)
    assert (job.state, job.failure["code"], job.failure["next"]) == ("Failed", "Quota", "Ask for more.")


def test_unexpected_error_has_an_id(services, remote, caplog):
    """An error nobody foresaw is given up after five times; people see an id that the log has with the details."""
    endpoint = added(services.store, an_endpoint())
    reconciler = Reconciler(services, "a")
    for _ in range(5):
        remote.next_fault = ("before", KeyError("secret detail"))
        reconciler.reconcile_once()
        services.clock.advance(timedelta(minutes=6))
    endpoint = services.store.get(Endpoint, endpoint.id)
    assert endpoint.failure["message"] == "Something unexpected happened."
    assert "secret detail" not in str(endpoint.failure)
    assert endpoint.failure["why"].removeprefix("The log has it as ").rstrip(".") in caplog.text


def test_taken_over_claim(services, remote):
    """The outcome of a worker whose claim ran out is dropped when another one has taken over."""
    job = added(services.store, a_job())
    submit = remote.submit

    def slow(request):
        services.clock.advance(CLAIM + timedelta(seconds=1))
        remote.submit = submit
        Reconciler(services, "b").reconcile_once()
        return submit(request)

    remote.submit = slow
    Reconciler(services, "a").reconcile_once()
    assert remote.created[f"job {job.id}"] == 1
    told = [event.kind for event in services.store.events(SubjectKind.JOB, job.id)]
    assert told == [EventKind.JOB_SUBMITTED]


def test_changed_mind_during_a_step(services, remote):
    """What a person asks for while a step is carried out is not overwritten by its outcome, and done next."""
    job = added(services.store, a_job())
    submit = remote.submit

    def interrupted(request):
        with services.store.transaction() as session:
            found = session.get_one(Job, job.id)
            found.wanted, found.next_at = "cancelled", services.clock()
        return submit(request)

    remote.submit = interrupted
    reconciler = Reconciler(services, "a")
    assert reconciler.reconcile_once() == 0
    reconciler.reconcile_once()
    assert remote.jobs[job.id] == "CancelRequested"


def test_changed_mind_during_a_failing_step(services, remote):
    """What a person asks for while a step fails does not wait for that step's next attempt."""
    job = added(services.store, a_job())

    def interrupted(request):
        with services.store.transaction() as session:
            session.get_one(Job, job.id).wanted = "cancelled"
        raise AzureUnavailable("Azure did not answer.")

    remote.submit = interrupted
    assert Reconciler(services, "a").reconcile_once() == 0


def test_bad_dataset_says_why(services, tmp_path):
    """A dataset without usable rows fails with what to do about it."""
    file = tmp_path / "rows.jsonl"
    file.write_text("not json\n" * 3)
    asked = request_dataset(services, ANA, DatasetRequest(source=str(file)))
    assert Reconciler(services, "a").reconcile_once() is None
    dataset = services.store.get(Dataset, asked.id)
    assert dataset.state == "failed"
    assert dataset.failure["message"]
    assert [e.kind for e in services.store.events(SubjectKind.DATASET, asked.id)][-1] == EventKind.DATASET_FAILED


def test_threads_do_what_is_due_until_stopped(services, remote):
    """The threads carry out what is due, several steps at a time, and end when told to."""
    added(services.store, a_job())
    added(services.store, a_job(id="ft-bbbbbbbb", plan_id="plan-bbbbbbbb", dataset_id="data-bbbbbbbb"))
    with services.store.transaction() as session:
        session.query(Job).update({"next_at": NOW})
    submit, both, stop = remote.submit, threading.Barrier(3), threading.Event()

    def together(request):
        both.wait(10)
        return submit(request)

    remote.submit = together
    reconciler = Reconciler(services, "a")
    thread = threading.Thread(target=reconciler.run, args=(stop,))
    thread.start()
    both.wait(10)
    stop.set()
    reconciler.wake()
    thread.join(10)
    assert not thread.is_alive()
    assert {job.state for job in services.store.find(Job)} == {"NotStarted"}
