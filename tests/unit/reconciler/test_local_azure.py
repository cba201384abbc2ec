"""From a file to an answer and back to nothing, against a local Azure ML workspace through the real SDK."""

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.clock import AdjustableClock
from core.datasets import DatasetRequest
from core.errors import ConflictError, InputError
from core.events import EventKind, SubjectKind
from core.local_azure.server.faults import Kind, Moment
from core.local_azure.server.processes import Engine
from core.local_azure.server.running import RunningAzure
from core.operations.cancel_job import cancel_job, plan_cancel
from core.operations.compare_models import compare
from core.operations.create_compute import create_compute, plan_compute
from core.operations.deploy_model import DeployRequest, deploy_model, plan_deploy
from core.operations.keep_endpoint import KEEP_TAG, keep_endpoint
from core.operations.launch_finetune import launch_finetune
from core.operations.plan_finetune import FinetunePlan, FinetuneRequest, plan_finetune
from core.operations.prepare_dataset import request_dataset
from core.operations.query_endpoint import ChatMessage, ask_test_row, stream_answer
from core.operations.remind_idle import find_idle
from core.operations.tear_down import plan_tear_down, tear_down
from core.reconciler import Reconciler
from core.records.store import Store
from core.records.tables import Compute, Dataset, Endpoint, Job
from core.services import Requester, Services
from core.settings import Settings
from tests.contract.azure_room import connected, found_by_environment

HERE = Path(__file__).parent
ENGINE = Engine(
    stage=(sys.executable, str(HERE / "stage.py")),
    serve=(sys.executable, str(HERE.parent.parent / "contract" / "echo_serve.py")),
    grace=0.5,
)
ANA = Requester(user="UANA", channel="CTEAM", team="T1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAzure]:
    with found_by_environment(tmp_path_factory.mktemp("azure"), ENGINE) as azure:
        yield azure


@pytest.fixture(scope="module")
def workspace(server):
    return connected(server)


@pytest.fixture
def services(server, workspace, tmp_path) -> Iterator[Services]:
    """The bot's core with an empty store, and the workspace without faults."""
    server.control.clear_faults()
    soon = timedelta(milliseconds=50)
    settings = Settings(
        folder=tmp_path / "bot",
        model="SmolLM2-135M-Instruct",
        compute="this-machine",
        instance_type="Local_CPU",
        observe_every=soon,
        watch_every=soon,
    )
    store = Store.open(settings.database)
    yield Services(settings, store, workspace, AdjustableClock())
    server.control.clear_faults()
    store.close()


class Bot:
    """The reconciler, driven step by step until something is so."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.reconciler = Reconciler(services, "test")

    def until(self, condition, table, id_: str, seconds: float = 30):
        end, pause = datetime.now(UTC) + timedelta(seconds=seconds), threading.Event()
        while not condition(record := self.services.store.get(table, id_)):
            assert datetime.now(UTC) < end, f"{record.__dict__}"
            pause.wait(min(self.reconciler.reconcile_once() or 0, 0.05))
        return record

    def dataset(self, folder: Path, order: str = "What") -> Dataset:
        rows = [
            {"messages": [{"role": "user", "content": f"{order} is {n}?"}, {"role": "assistant", "content": f"{n}!"}]}
            for n in range(60)
        ]
        file = folder / "support.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        asked = request_dataset(self.services, ANA, DatasetRequest(source=str(file)))
        return self.until(lambda found: found.state != "preparing", Dataset, asked.id)

    def job(self, folder: Path, order: str = "What") -> Job:
        self.dataset(folder, order)
        plan = plan_finetune(self.services, ANA, FinetuneRequest(parameters={"num_train_epochs": "2"}))
        return launch_finetune(self.services, plan.id, "UANA")

    def endpoint(self, model: str = "SmolLM2-135M-Instruct", **wanted) -> Endpoint:
        plan = plan_deploy(self.services, ANA, DeployRequest(model=model, **wanted))
        return deploy_model(self.services, plan.id, "UANA")

    def kinds(self, kind: SubjectKind, id_: str) -> list[str]:
        return [event.kind for event in self.services.store.events(kind, id_)]


@pytest.fixture
def bot(services) -> Bot:
    return Bot(services)


def ended(job: Job) -> bool:
    return job.next_at is None


def test_file_becomes_a_model_that_answers(bot, services, server, tmp_path):
    """A file is prepared, tuned, registered, deployed, asked and torn down, and the story is in the events."""
    job = bot.until(ended, Job, bot.job(tmp_path).id)
    assert (job.state, job.model_name) == ("Completed", "SmolLM2-135M-Instruct-support")
    assert (job.eval_loss_before, job.eval_loss_after, job.loss, job.step) == (4.0, 1.5, 1.25, 20)
    assert len(job.stages) == 5
    assert bot.kinds(SubjectKind.JOB, job.id)[:2] == [EventKind.JOB_REQUESTED, EventKind.JOB_SUBMITTED]
    assert bot.kinds(SubjectKind.JOB, job.id)[-2:] == [EventKind.JOB_COMPLETED, EventKind.JOB_REGISTERED]
    tags = services.azure.model(job.model_name, job.model_version).tags
    assert (tags["job"], tags["base_model"], tags["num_train_epochs"]) == (job.id, "SmolLM2-135M-Instruct", "2")

    asked = bot.endpoint(model="")
    endpoint = bot.until(lambda found: found.deployed_at is not None, Endpoint, asked.id)
    assert (endpoint.job_id, endpoint.traffic, endpoint.model_version) == (job.id, 100, job.model_version)
    assert endpoint.billing_started_at <= endpoint.deployed_at
    assert "".join(stream_answer(services, endpoint.id, [ChatMessage("user", "hello")])) == "hello"
    tested = ask_test_row(services, endpoint.id, 0)
    assert tested.reference == f"{tested.messages[0].content.split()[-1].rstrip('?')}!"
    assert tested.answer.text == tested.messages[0].content

    tear_down(services, plan_tear_down(services, ANA, endpoint.id).id, "UBOB")
    gone = bot.until(ended, Endpoint, endpoint.id)
    assert (gone.state, services.azure.endpoint(gone.id)) == ("Gone", None)
    assert gone.billing_stopped_at is not None
    assert bot.kinds(SubjectKind.ENDPOINT, gone.id)[-1] == EventKind.ENDPOINT_DELETED
    with pytest.raises(ConflictError, match="is gone"):
        stream_answer(services, endpoint.id, [ChatMessage("user", "hello")])


def test_failed_job_says_why(bot, tmp_path):
    """A job that fails ends with its stage, Azure's message and the last lines of its log."""
    job = bot.until(ended, Job, bot.job(tmp_path, "fail").id)
    assert job.state == "Failed"
    assert job.failure["stage"] == "chat_completion_finetune"
    assert "out of memory" in job.failure["message"]
    assert "Traceback: out of memory" in job.failure["log"]
    assert bot.kinds(SubjectKind.JOB, job.id)[-1] == EventKind.JOB_FAILED


def test_job_is_cancelled(bot, services, tmp_path):
    """A running job that is to be cancelled is cancelled on Azure, and nothing is registered."""
    job = bot.until(lambda found: found.loss is not None, Job, bot.job(tmp_path, "hang").id)
    cancel_job(services, plan_cancel(services, ANA, job.id).id, "UBOB")
    job = bot.until(ended, Job, job.id)
    assert (job.state, job.model_id) == ("Canceled", "")
    assert bot.kinds(SubjectKind.JOB, job.id)[-1] == EventKind.JOB_CANCELED


def test_job_cancelled_in_the_studio(bot, services, tmp_path):
    """A job cancelled outside of the bot is noticed."""
    job = bot.until(lambda found: found.loss is not None, Job, bot.job(tmp_path, "hang").id)
    services.azure.begin_cancel(job.id)
    job = bot.until(ended, Job, job.id)
    assert (job.state, job.wanted) == ("Canceled", "registered")


def test_plan_says_what_is_submitted(bot, services, server, tmp_path):
    """What the plan showed is what Azure gets: parameters, compute and a name from our id."""
    bot.dataset(tmp_path)
    plan = plan_finetune(services, ANA, FinetuneRequest(parameters={"num_train_epochs": "2"}))
    body = FinetunePlan.of(plan)
    assert body.display_name == "SmolLM2-135M-Instruct-support-bs4-cosine-nods-lora-save_limit1-seqlen512"
    assert body.steps == -(-body.train_rows // 4) * 2
    assert body.estimate.seconds is None
    assert body.estimate.basis.startswith("unknown")
    job = bot.until(lambda found: found.state != "", Job, launch_finetune(services, plan.id, "UANA").id)
    (sent,) = server.control.calls(f"/jobs/{job.id}", "PUT")
    assert '"num_train_epochs"' in sent.body
    assert body.display_name in sent.body
    with pytest.raises(ConflictError, match="<@UANA> has already started this"):
        launch_finetune(services, plan.id, "UBOB")


def test_submission_that_was_cut_off(bot, services, server, tmp_path):
    """When the answer to a submission is lost, the job is there once, and a person is told that it was tried again."""
    server.control.add_fault(Kind.DROP, "/jobs/ft-", method="PUT", moment=Moment.AFTER, times=4)
    asked = bot.job(tmp_path)
    job = bot.until(lambda found: found.attempts > 0 or found.state, Job, asked.id)
    server.control.clear_faults()
    services.clock.advance(timedelta(minutes=1))
    job = bot.until(ended, Job, job.id)
    assert job.state == "Completed"
    assert bot.kinds(SubjectKind.JOB, job.id).count(EventKind.JOB_SUBMITTED) == 1


def test_endpoint_deleted_by_hand(bot, services):
    """An endpoint deleted outside of the bot is noticed, not built again, and its cost stops."""
    endpoint = bot.until(lambda found: found.deployed_at is not None, Endpoint, bot.endpoint().id)
    services.azure.begin_delete_endpoint(endpoint.id)
    endpoint = bot.until(ended, Endpoint, endpoint.id)
    assert (endpoint.state, endpoint.wanted) == ("Gone", "up")
    assert endpoint.billing_stopped_at is not None
    assert bot.kinds(SubjectKind.ENDPOINT, endpoint.id)[-1] == EventKind.ENDPOINT_GONE


def test_torn_down_while_created(bot, services):
    """An endpoint that is to go before it is up is deleted as soon as Azure allows."""
    endpoint = bot.until(lambda found: found.deployment_state == "Creating", Endpoint, bot.endpoint().id)
    tear_down(services, plan_tear_down(services, ANA, endpoint.id).id, "UANA")
    endpoint = bot.until(ended, Endpoint, endpoint.id)
    assert (endpoint.state, endpoint.deployed_at) == ("Gone", None)
    assert services.azure.endpoint(endpoint.id) is None


def test_name_of_somebody_elses_endpoint(bot, services):
    """An endpoint that the bot did not make is never taken over, even when it appears after the plan."""
    plan = plan_deploy(services, ANA, DeployRequest(model="SmolLM2-135M-Instruct", name="prod-chat"))
    services.azure.begin_create_endpoint("prod-chat", {}, "somebody else's")
    endpoint = bot.until(ended, Endpoint, deploy_model(services, plan.id, "UANA").id)
    assert "not ours" in endpoint.failure["message"]
    assert services.azure.deployment("prod-chat", "demo") is None


def test_idle_endpoint_is_found_once(bot, services):
    """An endpoint that nobody asks is idle after the time that the team set, and said so once a day."""
    endpoint = bot.until(lambda found: found.deployed_at is not None, Endpoint, bot.endpoint().id)
    assert find_idle(services) == []
    services.clock.advance(timedelta(hours=3))
    looked = services.clock()
    bot.until(lambda found: found.observed_at >= looked, Endpoint, endpoint.id)
    assert [found.id for found in find_idle(services)] == [endpoint.id]
    assert find_idle(services) == []
    (event,) = [
        e for e in services.store.events(SubjectKind.ENDPOINT, endpoint.id) if e.kind == EventKind.ENDPOINT_IDLE
    ]
    assert event.data["idle_hours"] >= 3
    kept = keep_endpoint(services, endpoint.id, "UBOB", timedelta(days=3))
    assert services.azure.endpoint(endpoint.id).tags[KEEP_TAG] == kept.keep_until.isoformat(timespec="seconds")
    services.clock.advance(timedelta(days=2))
    looked = services.clock()
    bot.until(lambda found: found.observed_at >= looked, Endpoint, endpoint.id)
    assert find_idle(services) == []


def test_two_models_answer_one_question(bot, services):
    """The same question goes to several endpoints at once; one that fails does not keep the others from answering."""
    asked = [bot.endpoint().id for _ in range(2)]
    for one in asked:
        bot.until(lambda found: found.deployed_at is not None, Endpoint, one)
    answers = compare(services, asked, [ChatMessage("user", "hello")])
    assert [(found.endpoint.id, found.answer.text) for found in answers] == [(one, "hello") for one in asked]
    broken = compare(services, asked, [ChatMessage("user", "break")])
    assert all(found.answer is None and found.error.what for found in broken)
    with pytest.raises(InputError, match="two to"):
        compare(services, asked[:1], [ChatMessage("user", "hello")])


def test_deployment_without_quota(bot, server):
    """A deployment that Azure refuses is never billed, and its refusal says what to do."""
    server.control.add_scarcity("deployment")
    endpoint = bot.until(lambda found: found.failure is not None, Endpoint, bot.endpoint().id)
    assert (endpoint.deployment_state, endpoint.billing_started_at) == ("", None)
    assert "quota" in endpoint.failure["next"]
    assert bot.kinds(SubjectKind.ENDPOINT, endpoint.id)[-1] == EventKind.DEPLOYMENT_FAILED


def test_deployment_that_fails_goes_on_costing(bot):
    """A deployment that does not come up carries its log, and is known to cost until it is torn down."""
    endpoint = bot.until(lambda found: found.failure is not None, Endpoint, bot.endpoint(name="dies-at-once").id)
    assert endpoint.deployment_state == "Failed"
    assert any("out of memory" in line for line in endpoint.failure["log"])
    assert endpoint.billing_started_at is not None
    assert endpoint.billing_stopped_at is None
    assert bot.kinds(SubjectKind.ENDPOINT, endpoint.id)[-1] == EventKind.DEPLOYMENT_FAILED


def test_compute_falls_back_to_low_priority(bot, services, server):
    """Where Azure has no dedicated nodes, low-priority ones are asked for, and that is said."""
    server.control.add_scarcity("compute")
    asked = create_compute(services, plan_compute(services, ANA, "small-cluster", "Local_CPU").id, "UANA")
    compute = bot.until(ended, Compute, asked.id)
    assert (compute.state, compute.tier) == ("Succeeded", "LowPriority")
    kinds = bot.kinds(SubjectKind.COMPUTE, compute.id)
    assert kinds == [EventKind.COMPUTE_REQUESTED, EventKind.STEP_RETRIED, EventKind.COMPUTE_READY]
