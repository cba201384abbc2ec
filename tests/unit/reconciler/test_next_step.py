"""What is done next about a record, as tables: the whole logic of the reconciler."""

from datetime import timedelta

import pytest

from core.errors import AzureRefused, AzureUnavailable, DatasetError
from core.reconciler import computes, datasets, endpoints, jobs
from core.reconciler.policy import Again, GiveUp, decide
from core.reconciler.steps import Step, pause
from core.records.tables import Compute, Dataset
from core.settings import Settings
from tests.unit.operations.records import NOW, a_job, an_endpoint, serving

FAILURE = {"message": "no"}


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, Step.SUBMIT),
        ({"state": "NotStarted"}, Step.OBSERVE),
        ({"state": "Running"}, Step.OBSERVE),
        ({"state": "Paused"}, Step.OBSERVE),
        ({"state": "SomethingNew"}, Step.OBSERVE),
        ({"state": "Completed"}, Step.REGISTER),
        ({"state": "Completed", "model_id": "m"}, None),
        ({"state": "Completed", "failure": FAILURE}, None),
        ({"state": "Failed"}, None),
        ({"state": "Canceled"}, None),
        ({"wanted": "cancelled"}, Step.CANCEL),
        ({"wanted": "cancelled", "state": "Running"}, Step.CANCEL),
        ({"wanted": "cancelled", "state": "CancelRequested"}, Step.OBSERVE),
        ({"wanted": "cancelled", "state": "Completed"}, None),
        ({"wanted": "cancelled", "state": "Canceled"}, None),
        ({"state": "CancelRequested"}, Step.OBSERVE),
    ],
)
def test_jobs(changes, step):
    """A job is submitted, looked at until it ends, and registered; or cancelled."""
    assert jobs.next_step(a_job(**changes), NOW) is step


@pytest.mark.parametrize(
    ("endpoint", "step"),
    [
        (an_endpoint(), Step.CREATE_ENDPOINT),
        (an_endpoint(failure=FAILURE), None),
        (an_endpoint(state="Creating"), Step.OBSERVE),
        (an_endpoint(state="Failed"), Step.OBSERVE),
        (an_endpoint(state="Failed", failure=FAILURE), Step.WATCH),
        (an_endpoint(state="Succeeded"), Step.CREATE_DEPLOYMENT),
        (an_endpoint(state="Succeeded", failure=FAILURE), Step.WATCH),
        (an_endpoint(state="Succeeded", deployment_state="Creating"), Step.OBSERVE),
        (an_endpoint(state="Succeeded", deployment_state="Failed", failure=FAILURE), Step.WATCH),
        (an_endpoint(state="Succeeded", deployment_state="Succeeded"), Step.SET_TRAFFIC),
        (an_endpoint(state="Updating", deployment_state="Succeeded"), Step.OBSERVE),
        (an_endpoint(state="Succeeded", deployment_state="Gone"), Step.WATCH),
        (serving(), Step.WATCH),
        (serving(state="Updating"), Step.OBSERVE),
        (serving(traffic=0), Step.WATCH),
        (serving(wanted="gone"), Step.DELETE),
        (an_endpoint(wanted="gone"), Step.DELETE),
        (an_endpoint(wanted="gone", state="Creating"), Step.OBSERVE),
        (an_endpoint(wanted="gone", state="Succeeded", deployment_state="Creating"), Step.OBSERVE),
        (an_endpoint(wanted="gone", state="Deleting"), Step.OBSERVE),
        (an_endpoint(wanted="gone", state="Failed", failure=FAILURE), Step.DELETE),
        (an_endpoint(wanted="gone", state="Gone"), None),
        (an_endpoint(state="Gone"), None),
    ],
)
def test_endpoints(endpoint, step):
    """An endpoint is created, deployed, given its traffic and watched; deleted only when nothing changes on it."""
    assert endpoints.next_step(endpoint, NOW) is step


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ("", Step.CREATE_COMPUTE),
        ("Creating", Step.OBSERVE),
        ("Updating", Step.OBSERVE),
        ("Succeeded", None),
        ("Failed", None),
    ],
)
def test_computes(state, step):
    """A compute is created and looked at until it is there or has failed."""
    assert computes.next_step(Compute(state=state), NOW) is step


@pytest.mark.parametrize(("state", "step"), [("preparing", Step.PREPARE), ("ready", None), ("failed", None)])
def test_datasets(state, step):
    """A dataset is prepared, from the beginning again if need be."""
    assert datasets.next_step(Dataset(state=state), NOW) is step


def test_paces():
    """What changes is looked at often, what serves now and then, and what is to be done is done at once."""
    settings = Settings(observe_every=timedelta(seconds=15), watch_every=timedelta(minutes=1))
    assert pause(Step.OBSERVE, settings) == timedelta(seconds=15)
    assert pause(Step.WATCH, settings) == timedelta(minutes=1)
    assert pause(Step.SUBMIT, settings) == timedelta()


UNAVAILABLE, REFUSED, BUG = AzureUnavailable("busy"), AzureRefused("no"), KeyError("x")


@pytest.mark.parametrize(
    ("error", "step", "attempts", "decision"),
    [
        (UNAVAILABLE, Step.SUBMIT, 0, Again(timedelta(seconds=5))),
        (UNAVAILABLE, Step.SUBMIT, 3, Again(timedelta(seconds=40))),
        (UNAVAILABLE, Step.SUBMIT, 5000, Again(timedelta(minutes=5))),
        (REFUSED, Step.SUBMIT, 0, GiveUp()),
        (REFUSED, Step.CREATE_DEPLOYMENT, 0, GiveUp()),
        (REFUSED, Step.OBSERVE, 9, Again(timedelta(minutes=5))),
        (REFUSED, Step.WATCH, 0, Again(timedelta(seconds=5))),
        (REFUSED, Step.DELETE, 0, Again(timedelta(seconds=5))),
        (DatasetError("no rows"), Step.PREPARE, 0, GiveUp()),
        (BUG, Step.SUBMIT, 0, Again(timedelta(seconds=5))),
        (BUG, Step.SUBMIT, 4, GiveUp()),
        (BUG, Step.OBSERVE, 4, Again(timedelta(seconds=80))),
    ],
)
def test_errors(error, step, attempts, decision):
    """What may pass is tried again, what was refused is not, and a costly endpoint is never forgotten."""
    assert decide(error, step, attempts) == decision
