"""What was seen on Azure becomes changes and events: only what is new, in the order in which it happened."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.azure.types import (
    Compute,
    DeploymentSnapshot,
    EndpointSnapshot,
    JobFailure,
    JobSnapshot,
    StageSnapshot,
    TrainingMetrics,
)
from core.errors import AzureRefused
from core.events import EventKind
from core.reconciler import computes, endpoints, jobs
from core.reconciler.steps import Outcome, Step
from core.records import tables
from tests.unit.operations.records import HOUR, NOW, a_job, an_endpoint, serving

MINUTE = timedelta(minutes=1)
RUNNING = JobSnapshot("ft-aaaaaaaa", "Running", (StageSnapshot("finetune", "r1", "Running", NOW),), "https://studio")
METRICS = TrainingMetrics(10, 20, 1e-5, ((5, 3.0), (10, 2.0)), ((0, 4.0),), None, NOW, NOW + MINUTE)


def kinds(outcome: Outcome) -> list[EventKind]:
    return [told.kind for told in outcome.events]


def applied(record, outcome: Outcome):
    for name, value in outcome.changes.items():
        setattr(record, name, value)
    return record


def test_first_look_at_a_job():
    """A job that was just submitted and already trains says so, in order."""
    outcome = jobs.observed(a_job(), RUNNING, METRICS, NOW + MINUTE)
    assert kinds(outcome) == [
        EventKind.JOB_SUBMITTED,
        EventKind.JOB_STARTED,
        EventKind.JOB_FIRST_METRICS,
        EventKind.JOB_PROGRESSED,
    ]
    assert outcome.changes["eval_loss_before"] == 4.0
    assert outcome.changes["eta_seconds"] == 60.0


def test_second_look_finds_nothing_new():
    """Looking again at the same changes nothing and tells nothing."""
    job = applied(a_job(), jobs.observed(a_job(), RUNNING, METRICS, NOW + MINUTE))
    assert jobs.observed(job, RUNNING, METRICS, NOW + MINUTE) == Outcome()


def test_progress_is_told_by_step():
    """A new step is progress; the estimate alone, which shrinks by the second, is not."""
    job = applied(a_job(), jobs.observed(a_job(), RUNNING, METRICS, NOW + MINUTE))
    assert kinds(jobs.observed(job, RUNNING, METRICS, NOW + 2 * MINUTE)) == []
    further = TrainingMetrics(15, 20, 1e-5, ((15, 1.5),), ((0, 4.0),), None, NOW, NOW + MINUTE)
    (told,) = jobs.observed(job, RUNNING, further, NOW + 2 * MINUTE).events
    assert (told.kind, told.data["step"], told.data["loss"]) == (EventKind.JOB_PROGRESSED, 15, 1.5)


def test_completed_job_carries_its_losses():
    """The end of a job tells the loss on held-out rows before and after, and how long it took."""
    job = applied(a_job(), jobs.observed(a_job(), RUNNING, METRICS, NOW + MINUTE))
    done = JobSnapshot(job.id, "Completed", (StageSnapshot("finetune", "r1", "Completed", NOW, NOW + HOUR),))
    metrics = TrainingMetrics(20, 20, 0.0, ((20, 1.0),), ((0, 4.0), (20, 1.5)), None, NOW, NOW + HOUR)
    outcome = jobs.observed(job, done, metrics, NOW + 2 * HOUR)
    told = outcome.events[-1]
    assert told.kind is EventKind.JOB_COMPLETED
    assert (told.data["eval_loss_before"], told.data["eval_loss_after"], told.data["seconds"]) == (4.0, 1.5, 3600)
    assert jobs.next_step(applied(job, outcome), NOW) is Step.REGISTER


def test_failed_job_carries_its_log():
    """A failure has Azure's words, the stage and the last lines of the log."""
    failed = JobSnapshot(
        "ft-aaaaaaaa", "Failed", (), "", JobFailure("UserError", "out of memory", "finetune", ("Oom",))
    )
    outcome = jobs.observed(a_job(state="Running"), failed, None, NOW)
    assert outcome.events[-1].data == {
        "code": "UserError",
        "message": "out of memory",
        "stage": "finetune",
        "log": ["Oom"],
    }


@pytest.mark.parametrize(("wanted", "asked"), [("cancelled", True), ("registered", False)])
def test_cancelled_job(wanted, asked):
    """A cancelled job says whether it was cancelled from here."""
    (told,) = jobs.observed(a_job(state="Running", wanted=wanted), JobSnapshot("j", "Canceled"), None, NOW).events
    assert (told.kind, told.data["asked"]) == (EventKind.JOB_CANCELED, asked)


def test_job_deleted_in_the_studio():
    """A job that Azure has no more has failed, and that is told once."""
    job = a_job(state="Running")
    outcome = jobs.observed(job, None, None, NOW)
    assert kinds(outcome) == [EventKind.JOB_FAILED]
    assert jobs.next_step(applied(job, outcome), NOW) is None


def test_refused_cancelling_lets_the_job_go_on():
    """When Azure refuses to cancel, the job is wanted again and the refusal is told."""
    job = a_job(state="Running", wanted="cancelled")
    outcome = jobs.given_up(job, Step.CANCEL, AzureRefused("Azure refused to cancel."))
    assert kinds(outcome) == [EventKind.STEP_REFUSED]
    assert jobs.next_step(applied(job, outcome), NOW) is Step.OBSERVE


@given(st.lists(st.floats(0, 10), max_size=2000))
def test_thinned_curve(values):
    """However long the curve, at most 100 points are kept, the first and the last among them, in order."""
    losses = tuple(enumerate(values))
    thin = jobs.thinned(losses)
    assert len(thin) == min(len(losses), 100)
    assert [step for step, _ in thin] == sorted({step for step, _ in thin})
    if losses:
        assert (thin[0], thin[-1]) == (list(losses[0]), list(losses[-1]))


@pytest.mark.parametrize(
    ("step", "max_steps", "after", "seconds"),
    [(10, 20, 0, 60), (10, 20, 30, 30), (10, 20, 600, 0), (0, 20, 0, None), (10, None, 0, None)],
)
def test_time_left(step, max_steps, after, seconds):
    """The time left follows the pace so far and never goes below zero; without steps it is unknown."""
    metrics = TrainingMetrics(step=step, started_at=NOW, logged_at=NOW + MINUTE)
    assert jobs.eta_seconds(metrics, max_steps, NOW + MINUTE + timedelta(seconds=after)) == seconds


def seen(state: str = "Succeeded", **traffic: int) -> EndpointSnapshot:
    return EndpointSnapshot("phi-4-aaaaaaaa", state, "https://x/score", traffic)


def deployed(state: str, error: str = "") -> DeploymentSnapshot:
    return DeploymentSnapshot("demo", state, "Standard_NC24ads_A100_v4", 1, error)


def test_endpoint_that_is_created():
    """An endpoint that came up is told once; its deployment comes next."""
    endpoint = an_endpoint(state="Creating")
    outcome = endpoints.observed(endpoint, seen(), None, NOW)
    assert kinds(outcome) == [EventKind.ENDPOINT_CREATED]
    assert endpoints.next_step(applied(endpoint, outcome), NOW) is Step.CREATE_DEPLOYMENT
    assert endpoints.observed(endpoint, seen(), None, NOW) == Outcome()


def test_endpoint_that_is_deployed():
    """Deployed is what has succeeded and gets all requests, and says what it costs."""
    endpoint = an_endpoint(state="Succeeded", deployment_state="Creating", billing_started_at=NOW - HOUR)
    outcome = endpoints.observed(endpoint, seen(), deployed("Succeeded"), NOW)
    assert kinds(outcome) == [EventKind.DEPLOYMENT_SUCCEEDED]
    assert endpoints.next_step(applied(endpoint, outcome), NOW) is Step.SET_TRAFFIC
    outcome = endpoints.observed(endpoint, seen(demo=100), deployed("Succeeded"), NOW)
    (told,) = outcome.events
    assert told.kind is EventKind.ENDPOINT_DEPLOYED
    assert told.data["cost_per_day"] == 84
    assert endpoints.next_step(applied(endpoint, outcome), NOW) is Step.WATCH


def test_failed_deployment():
    """A failed deployment says why, with Azure's code, its log and what it goes on costing."""
    endpoint = an_endpoint(state="Succeeded", deployment_state="Creating", billing_started_at=NOW - HOUR)
    outcome = endpoints.observed(endpoint, seen(), deployed("Failed", "ResourceNotReady: probe: 502"), NOW, ("boom",))
    (told,) = outcome.events
    assert told.kind is EventKind.DEPLOYMENT_FAILED
    assert (told.data["code"], told.data["message"]) == ("ResourceNotReady", "probe: 502")
    assert (told.data["log"], told.data["cost_so_far"]) == (["boom"], 3.5)
    assert endpoints.observed(applied(endpoint, outcome), seen(), deployed("Failed"), NOW) == Outcome()


def test_traffic_changed_by_hand():
    """Traffic that somebody sends elsewhere is noticed and left so."""
    endpoint = serving(scoring_uri="https://x/score")
    outcome = endpoints.observed(endpoint, seen(other=100), deployed("Succeeded"), NOW)
    (told,) = outcome.events
    assert (told.kind, told.data) == (EventKind.ENDPOINT_OBSERVED, {"traffic": 0})
    assert endpoints.next_step(applied(endpoint, outcome), NOW) is Step.WATCH


def test_deployment_deleted_by_hand():
    """A deployment deleted outside stops its cost and is not made again."""
    endpoint = serving()
    outcome = endpoints.observed(endpoint, seen(), None, NOW)
    assert outcome.changes["billing_stopped_at"] == NOW
    assert endpoints.next_step(applied(endpoint, outcome), NOW) is Step.WATCH


@pytest.mark.parametrize(("wanted", "kind"), [("gone", EventKind.ENDPOINT_DELETED), ("up", EventKind.ENDPOINT_GONE)])
def test_endpoint_that_is_gone(wanted, kind):
    """An endpoint seen to be gone costs no more; who deleted it is told apart."""
    outcome = endpoints.observed(serving(wanted=wanted, state="Deleting"), None, None, NOW)
    (told,) = outcome.events
    assert (told.kind, told.data["cost_so_far"]) == (kind, 3.5)
    assert outcome.changes["billing_stopped_at"] == NOW


def test_compute_without_low_priority_either():
    """When Azure has neither kind of node, the compute has failed with its words."""
    compute = tables.Compute(name="c", size="s", tier="LowPriority", state="Creating")
    found = Compute("c", "s", "LowPriority", 0, 1, 60, "Failed", ("no quota",))
    outcome = computes.observed(compute, found)
    assert kinds(outcome) == [EventKind.COMPUTE_FAILED]
    assert outcome.changes["failure"]["message"] == "no quota"
