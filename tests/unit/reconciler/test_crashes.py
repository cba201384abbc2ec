"""However the bot dies, and whatever Azure's answers are lost, a thing is made once and the end is the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.azure.types import TERMINAL_JOB_STATES
from core.azure.workspace import Workspace
from core.clock import AdjustableClock
from core.errors import AzureUnavailable
from core.events import EventKind, SubjectKind
from core.operations.plans import new_token
from core.reconciler import Reconciler
from core.reconciler.worker import CLAIM
from core.records.store import Store
from core.records.tables import Dataset, Endpoint, Job, Plan
from core.services import Services
from core.settings import Settings
from tests.unit.operations.records import NOW, a_job, an_endpoint
from tests.unit.reconciler.remote import Crash, Remote

ACTIONS = st.lists(
    st.sampled_from(["step", "step", "azure", "die before", "die after", "lose before", "lose after", "change mind"]),
    max_size=14,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path_factory.mktemp('records') / 'records.sqlite'}")
    yield opened
    opened.close()


@dataclass
class World:
    """The bot, which may die and be started again, and Azure, which does not."""

    store: Store
    remote: Remote = field(default_factory=Remote)
    clock: AdjustableClock = field(default_factory=lambda: AdjustableClock(lambda: NOW))
    lives: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the bot, after the claims of its former life have run out."""
        self.lives += 1
        self.clock.advance(CLAIM + timedelta(seconds=1))
        made = Services(Settings(), self.store, cast(Workspace, self.remote), self.clock)
        self.reconciler = Reconciler(made, f"life {self.lives}")

    def do(self, action: str, record: Job | Endpoint) -> None:
        """Carry out one action of a story."""
        if action == "azure":
            return self.remote.move()
        if action == "change mind":
            return self.change_mind(record)
        if action != "step":
            how, moment = action.split()
            self.remote.next_fault = (moment, Crash() if how == "die" else AzureUnavailable("No answer."))
        return self.step()

    def step(self) -> None:
        self.clock.advance(timedelta(minutes=6))
        try:
            self.reconciler.reconcile_once()
        except Crash:
            self.start()

    def change_mind(self, record: Job | Endpoint) -> None:
        """Want the job cancelled or the endpoint gone, as a confirmed plan does while there is something to change."""
        with self.store.transaction() as session:
            found: Any = session.get_one(type(record), record.id)
            if found.state in TERMINAL_JOB_STATES or found.state == "Gone":
                return
            found.wanted = "cancelled" if isinstance(record, Job) else "gone"
            found.next_at = self.clock()

    def settle(self, record: Job | Endpoint) -> Any:
        """Let both go on until nothing changes any more."""
        self.remote.next_fault = None
        for _ in range(12):
            self.step()
            self.remote.move()
        return self.store.get(type(record), record.id)


def added(store: Store, record: Job | Endpoint) -> Job | Endpoint:
    """Put a record, with the plan and dataset it refers to, alone into the store."""
    asked = {"owner": "UANA", "team": "T1", "channel": "C1", "created_at": NOW}
    with store.transaction() as session:
        for table in (Job, Endpoint, Dataset, Plan):
            if table is not Plan:
                session.query(table).update({"next_at": None})
        session.add(Plan(id=record.plan_id, kind="x", body={}, expires_at=NOW, **asked))
        if isinstance(record, Job):
            session.add(Dataset(id=record.dataset_id, request={}, state="ready", **asked))
        session.flush()
        session.add(record)
    return record


fast = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fast
@given(actions=ACTIONS)
def test_one_job(store, actions):
    """One job and one model are made, or none when it was cancelled in time; the end is told once."""
    token = new_token()
    job = added(store, a_job(id=f"ft-{token}", plan_id=f"plan-{token}", dataset_id=f"data-{token}"))
    world = World(store)
    for action in actions:
        world.do(action, job)
    job = world.settle(job)
    assert set(world.remote.created) <= {f"job {job.id}", f"model {job.model_name}"}
    assert set(world.remote.created.values()) <= {1}
    assert job.next_at is None
    assert job.state == world.remote.jobs.get(job.id, "Canceled")
    assert bool(job.model_id) == bool(world.remote.models)
    told = [event.kind for event in store.events(SubjectKind.JOB, job.id)]
    ends = [kind for kind in told if kind in (EventKind.JOB_COMPLETED, EventKind.JOB_CANCELED, EventKind.JOB_FAILED)]
    assert len(ends) == 1
    assert told.count(EventKind.JOB_SUBMITTED) <= 1
    if "change mind" not in actions:
        assert (job.state, told.count(EventKind.JOB_REGISTERED)) == ("Completed", 1)


@fast
@given(actions=ACTIONS)
def test_one_endpoint(store, actions):
    """One endpoint with one deployment is made; torn down, it is gone, and its bill has ended exactly when it began."""
    token = new_token()
    endpoint = added(store, an_endpoint(id=f"chat-{token}", plan_id=f"plan-{token}"))
    world = World(store)
    for action in actions:
        world.do(action, endpoint)
    endpoint = world.settle(endpoint)
    assert set(world.remote.created) <= {f"endpoint {endpoint.id}", f"deployment {endpoint.id}"}
    assert set(world.remote.created.values()) <= {1}
    told = [event.kind for event in store.events(SubjectKind.ENDPOINT, endpoint.id)]
    if "change mind" in actions:
        assert (endpoint.state, endpoint.next_at, world.remote.endpoints) == ("Gone", None, {})
        assert (endpoint.billing_started_at is None) == (endpoint.billing_stopped_at is None)
        assert told.count(EventKind.ENDPOINT_DELETED) == 1
    else:
        assert (endpoint.state, endpoint.deployment_state, endpoint.traffic) == ("Succeeded", "Succeeded", 100)
        assert endpoint.billing_started_at is not None
        assert told.count(EventKind.ENDPOINT_DEPLOYED) == 1
