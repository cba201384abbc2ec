"""A plan is carried out once, by whoever presses first, and never after it has expired."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from core.azure.workspace import Workspace
from core.clock import AdjustableClock
from core.datasets import DatasetRequest
from core.errors import ConflictError, DatasetError, InputError, NotFoundError
from core.events import EventKind, SubjectKind
from core.operations.cancel_job import CancelPlan, cancel_job, plan_cancel
from core.operations.dismiss_plan import dismiss_plan
from core.operations.launch_finetune import launch_finetune
from core.operations.plan_finetune import FinetunePlan
from core.operations.plans import new_plan
from core.operations.prepare_dataset import ready_dataset, request_dataset
from core.operations.query_endpoint import serving as asked
from core.operations.report_status import history, overview, recent_log, report_status
from core.operations.tear_down import TearDownPlan, plan_tear_down, tear_down
from core.records.store import Store
from core.records.tables import Dataset, Endpoint, Job, Plan, PlanKind
from core.services import Requester, Services
from core.settings import Settings
from tests.unit.operations.records import NOW, a_finetune_plan, a_job, an_endpoint, serving

ANA, BOB = Requester("UANA", "C1", "T1", "17.5"), Requester("UBOB", "C2")
# Nothing in this file reaches Azure.
NO_AZURE = cast(Workspace, None)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = Settings(folder=tmp_path, plan_lifetime=timedelta(hours=1))
    store = Store.open(settings.database)
    with store.transaction() as session:
        session.add(
            Dataset(id="data-1", request={"source": "x"}, state="ready", created_at=NOW, owner="UANA", channel="C1")
        )
    yield Services(settings, store, NO_AZURE, AdjustableClock(lambda: NOW))
    store.close()


@pytest.fixture
def plan(services) -> Plan:
    return new_plan(services, ANA, PlanKind.FINETUNE, a_finetune_plan(), token="aaaaaaaa")


def added(services: Services, *records: Job | Endpoint) -> None:
    """Put records, with the plans they come from, into the store."""
    with services.store.transaction() as session:
        for record in records:
            if session.get(Plan, record.plan_id) is None:
                session.add(
                    Plan(id=record.plan_id, kind="x", body={}, expires_at=NOW, owner="U", channel="C", created_at=NOW)
                )
                session.flush()
            session.add(record)


def test_plan_is_what_was_shown(services, plan):
    """What a plan says comes back exactly as it was stored."""
    stored = services.store.get(Plan, plan.id)
    assert FinetunePlan.of(stored) == a_finetune_plan()
    assert (stored.owner, stored.channel, stored.thread, stored.expires_at) == (
        "UANA",
        "C1",
        "17.5",
        NOW + timedelta(hours=1),
    )


def test_launched_job(services, plan):
    """A launched job has an id from its plan's, what the plan says, and the place where it was asked for."""
    job = launch_finetune(services, plan.id, "UBOB")
    assert (job.id, job.owner, job.channel, job.thread, job.next_at) == ("ft-aaaaaaaa", "UANA", "C1", "17.5", NOW)
    assert job.spec == plan.body
    (event,) = services.store.events(SubjectKind.JOB, job.id)
    assert (event.kind, event.actor) == (EventKind.JOB_REQUESTED, "UBOB")
    kinds = [event.kind for event in services.store.events(SubjectKind.PLAN, plan.id)]
    assert kinds == [EventKind.PLANNED, EventKind.CONFIRMED]


def test_second_press(services, plan):
    """Who presses after somebody else is told who it was and what came of it."""
    launch_finetune(services, plan.id, "UBOB")
    with pytest.raises(ConflictError, match="<@UBOB> has already started this as `ft-aaaaaaaa`"):
        launch_finetune(services, plan.id, "UANA")


def test_ten_presses_at_once(services, plan):
    """Ten presses at the same moment make one job."""
    ready = threading.Barrier(10)

    def press(number: int) -> bool:
        ready.wait()
        try:
            launch_finetune(services, plan.id, f"U{number}")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(press, range(10))) == 1
    assert len(services.store.find(Job)) == 1


def test_expired_plan(services, plan):
    """A plan cannot be carried out after its time: prices and computes may have changed."""
    services.clock.advance(timedelta(hours=1))
    with pytest.raises(ConflictError, match="expired"):
        launch_finetune(services, plan.id, "UANA")
    assert services.store.get(Plan, plan.id).taken_by == ""


def test_dismissed_plan(services, plan):
    """A dismissed plan cannot be carried out."""
    dismiss_plan(services, plan.id, "UANA")
    with pytest.raises(ConflictError, match="expired"):
        launch_finetune(services, plan.id, "UANA")


def test_plan_of_another_kind(services, plan):
    """A button of one kind never carries out a plan of another."""
    for press in (cancel_job, tear_down):
        with pytest.raises(NotFoundError, match=plan.id):
            press(services, plan.id, "UANA")
    with pytest.raises(NotFoundError):
        launch_finetune(services, "plan-nothing", "UANA")


def test_cancelling(services):
    """A confirmed cancelling is wanted at once and carried out by the reconciler."""
    added(services, a_job(state="Running", step=5, next_at=NOW + timedelta(days=1)))
    cancelling = plan_cancel(services, BOB, "ft-aaaaaaaa")
    assert CancelPlan.of(cancelling).step == 5
    job = cancel_job(services, cancelling.id, "UBOB")
    assert (job.wanted, job.next_at, job.state) == ("cancelled", NOW, "Running")
    (event,) = services.store.events(SubjectKind.JOB, job.id)
    assert (event.kind, event.actor) == (EventKind.JOB_CANCEL_REQUESTED, "UBOB")
    with pytest.raises(ConflictError, match="already being cancelled"):
        plan_cancel(services, ANA, job.id)


def test_cancelling_what_has_ended(services):
    """A job that has ended cannot be cancelled."""
    added(services, a_job(state="Completed"))
    with pytest.raises(ConflictError, match="already ended: Completed"):
        plan_cancel(services, ANA, "ft-aaaaaaaa")


def test_cancelling_too_late(services):
    """A job that ends between the plan and the press is left as it ended, and the plan is not used up."""
    added(services, a_job(state="Running"))
    planned = plan_cancel(services, ANA, "ft-aaaaaaaa")
    with services.store.transaction() as session:
        session.get_one(Job, "ft-aaaaaaaa").state = "Completed"
    with pytest.raises(ConflictError, match="already ended"):
        cancel_job(services, planned.id, "UANA")
    assert services.store.get(Job, "ft-aaaaaaaa").wanted == "registered"
    assert services.store.get(Plan, planned.id).taken_by == ""


def test_tearing_down(services):
    """A plan to tear down shows what the endpoint has cost; confirmed, the endpoint is wanted gone."""
    added(services, serving())
    planned = plan_tear_down(services, ANA, "phi-4-aaaaaaaa")
    body = TearDownPlan.of(planned)
    assert (body.cost_so_far, body.cost_per_day, body.currency) == (3.5, 84, "USD")
    assert tear_down(services, planned.id, "UANA").wanted == "gone"
    with pytest.raises(ConflictError, match="already being deleted"):
        plan_tear_down(services, ANA, "phi-4-aaaaaaaa")


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        (an_endpoint(), "does not serve yet. Its deployment is about to be created"),
        (an_endpoint(state="Succeeded", deployment_state="Creating"), "Its deployment is Creating"),
        (serving(wanted="gone"), "is being deleted"),
        (serving(state="Gone"), "is gone"),
    ],
)
def test_asking_what_is_not_up(services, endpoint, sentence):
    """An endpoint that cannot answer says what it does instead."""
    added(services, endpoint)
    with pytest.raises(ConflictError) as caught:
        asked(services, endpoint.id)
    assert sentence in str(caught.value)


def test_overview(services):
    """What runs comes first; what is gone is left out; others' things only when asked for."""
    running = a_job(id="ft-bbbbbbbb", plan_id="plan-b", state="Running", created_at=NOW - timedelta(days=1))
    added(services, a_job(state="Completed"), running, an_endpoint(id="gone-1", plan_id="plan-c", state="Gone"))
    assert [job.id for job in overview(services).jobs] == ["ft-bbbbbbbb", "ft-aaaaaaaa"]
    assert overview(services).endpoints == ()
    assert overview(services, owner="UBOB").jobs == ()
    assert len(overview(services, channel="C1").datasets) == 1


def test_report_of_one(services):
    """A record is found by its id; a misspelt id is answered with the nearest."""
    added(services, a_job(failure={"log": ["one", "two"]}), serving(plan_id="plan-e"))
    assert report_status(services, "phi-4-aaaaaaaa").id == "phi-4-aaaaaaaa"
    assert report_status(services).id == "ft-aaaaaaaa"
    assert recent_log(services, "ft-aaaaaaaa", 1) == ("two",)
    assert history(services, SubjectKind.JOB, "ft-aaaaaaaa") == []
    with pytest.raises(NotFoundError) as caught:
        report_status(services, "ft-aaaaaaab")
    assert caught.value.next == "Did you mean `ft-aaaaaaaa`?"


def test_datasets_that_are_not_ready(services, tmp_path):
    """A path that is not there is refused at once; a dataset still being prepared cannot be used."""
    with pytest.raises(DatasetError, match="no file or folder"):
        request_dataset(services, ANA, DatasetRequest(source=str(tmp_path / "nothing.jsonl")))
    (tmp_path / "rows.jsonl").write_text("{}")
    dataset = request_dataset(services, BOB, DatasetRequest(source=str(tmp_path / "rows.jsonl")))
    with pytest.raises(ConflictError, match="still being prepared"):
        ready_dataset(services, BOB, dataset.id)
    with pytest.raises(InputError, match="none that is ready"):
        ready_dataset(services, BOB)
