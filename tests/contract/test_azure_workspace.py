"""The bot's view of Azure ML, through the real SDK against the local workspace, found by the environment alone."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from core.azure.prices import PriceList
from core.azure.types import TERMINAL_JOB_STATES, Compute, JobRequest, JobSnapshot
from core.azure.workspace import Workspace
from core.errors import AzureRefused, AzureUnavailable, ConfigurationError, ModelError
from core.local_azure.server.faults import Kind, Moment
from tests.contract.azure_room import connected, found_by_environment
from tests.contract.local_workspace import ENGINE, until

COMPONENT = "chat_completion_pipeline"
STAGES = [
    "ft_nlp_common_validation",
    "chat_completion_model_import",
    "chat_completion_datapreprocess",
    "chat_completion_finetune",
    "ft_nlp_model_converter",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A local workspace whose engine does what the training file says, in the environment of these tests."""
    with found_by_environment(tmp_path_factory.mktemp("azure"), ENGINE) as azure:
        yield azure


@pytest.fixture
def azure(server):
    """The server without faults and without memory of earlier calls."""
    server.control.clear_faults()
    yield server
    server.control.clear_faults()


@pytest.fixture(scope="module")
def workspace(server):
    return connected(server)


@pytest.fixture
def request_for(workspace, tmp_path):
    """Return a function that writes a job's files, with orders for its stages, and returns its request."""

    def make(name: str, **orders: str) -> JobRequest:
        file = tmp_path / f"{name}.jsonl"
        file.write_text(json.dumps(orders))
        component = workspace.component(COMPONENT)
        model = workspace.foundation_model("SmolLM2-135M-Instruct")
        parameters = {"num_train_epochs": "1", "apply_lora": "true", "learning_rate": "5e-06"}
        identity = (name, f"Tune {name}", "ultrachat", component.id, model.id, "this-machine")
        return JobRequest(*identity, file, file, file, parameters, {"plan": "p-1"})

    return make


def ended(workspace: Workspace, name: str) -> JobSnapshot:
    until(lambda: workspace.job(name).status in TERMINAL_JOB_STATES)
    return workspace.job(name)


def begun(workspace: Workspace, name: str) -> bool:
    """Return whether the first stage of a job is running."""
    return any(stage.status == "Running" for stage in workspace.job(name).stages)


def test_workspace_of_a_config_file(azure, tmp_path, monkeypatch):
    """Without settings, the workspace is the one of the config.json that the studio offers."""
    named = {
        "subscription_id": azure.workspace.subscription,
        "resource_group": azure.workspace.resource_group,
        "workspace_name": azure.workspace.name,
    }
    (tmp_path / "config.json").write_text(json.dumps(named))
    monkeypatch.chdir(tmp_path)
    info = connected(azure, subscription_id="", resource_group="", ml_workspace="").info()
    assert (info.name, info.subscription_id) == (azure.workspace.name, azure.workspace.subscription)
    assert info.location == "local"


def test_no_workspace_named(azure, tmp_path, monkeypatch):
    """Without settings and without config.json, or with half of them, the bot says what is missing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="not named"):
        connected(azure, subscription_id="", resource_group="", ml_workspace="")
    with pytest.raises(ConfigurationError, match="resource group missing"):
        connected(azure, resource_group="")


def test_workspace_that_does_not_exist(azure):
    """A workspace nobody has is an error for everything asked of it, never an empty one."""
    elsewhere = connected(azure, ml_workspace="elsewhere")
    for ask in (elsewhere.info, elsewhere.computes, lambda: elsewhere.job("j"), lambda: elsewhere.compute("c")):
        with pytest.raises(AzureRefused) as caught:
            ask()
        assert caught.value.code == "ResourceNotFound"
        assert "workspace name" in caught.value.next


def test_base_models(workspace):
    """A base model tells its version, its sizes and whether it is retired."""
    retired = workspace.foundation_model("Phi-3-mini-4k-instruct")
    assert retired.archived
    assert retired.finetune_retirement == datetime(2025, 8, 30).date()
    assert "Standard_NC24ads_A100_v4" in retired.finetune_sizes
    assert retired.defaults["apply_lora"] == "true"
    assert workspace.foundation_model("Phi-3-mini-4k-instruct", retired.version) == retired


@pytest.mark.parametrize(("name", "version"), [("phi-3-mini-4k-instruct", None), ("Phi-3-mini-4k-instruct", "999")])
def test_unknown_base_model(workspace, name, version):
    """A model that the registry does not have is told with the nearest name."""
    with pytest.raises(ModelError, match="has no model") as caught:
        workspace.foundation_model(name, version)
    assert "Phi-3-mini-4k-instruct" in caught.value.next


def test_component_constraints(workspace):
    """The component's own constraints are there to check parameters before a paid node does."""
    component = workspace.component(COMPONENT)
    inputs = component.inputs
    assert (inputs["num_train_epochs"].type, inputs["num_train_epochs"].minimum) == ("integer", 1)
    assert inputs["apply_lora"].enum == ("true", "false")
    assert not inputs["task_name"].optional or inputs["task_name"].default
    assert workspace.component(COMPONENT, component.version) == component
    with pytest.raises(AzureRefused):
        workspace.component(COMPONENT, "9.9.9")


def test_compute_is_created_once(azure, workspace):
    """A compute asked for twice is created once and shows what was asked for."""
    wanted = Compute("small", "Local_CPU", "Dedicated", 0, 1, 300, "")
    assert workspace.compute("small") is None
    workspace.begin_create_compute(wanted)
    until(lambda: workspace.compute("small").state == "Succeeded")
    workspace.begin_create_compute(wanted)
    found = workspace.compute("small")
    assert found.size.lower() == "local_cpu"
    assert (found.tier, found.min_instances, found.max_instances) == ("Dedicated", 0, 1)
    assert found.idle_seconds_before_scale_down == 300
    assert found in workspace.computes()
    assert len(azure.control.calls("/computes/small", "PUT")) == 1


def test_compute_without_quota(workspace):
    """A compute for which there is no quota fails with Azure's own reason."""
    workspace.begin_create_compute(Compute("big", "Standard_NC24ads_A100_v4", "Dedicated", 0, 1, 300, ""))
    until(lambda: workspace.compute("big").state == "Failed")
    (reason,) = workspace.compute("big").errors
    assert "total vCPU quota of 0" in reason


def test_sizes_quota_and_price(workspace):
    """The region's sizes carry what planning needs: GPUs, quota, price."""
    sizes = {size.name: size for size in workspace.vm_sizes()}
    assert sizes["Standard_NC24ads_A100_v4"].gpus == 1
    assert sizes["Local_CPU"].vcpus > 0
    assert sizes["Local_CPU"].memory_gib > 0
    assert any(usage.limit >= sizes["Local_CPU"].vcpus for usage in workspace.usages())
    price = PriceList(workspace.vm_sizes).price_per_hour("LOCAL_CPU", workspace.info().location)
    assert price.amount == sizes["Local_CPU"].price_per_hour > 0


def test_job_from_submission_to_model(azure, workspace, request_for):
    """A job is submitted once under our name, is seen through its stages, logs its loss, and becomes a model."""
    request = request_for("tune-1")
    assert workspace.job("tune-1") is None
    submitted = workspace.submit(request)
    assert (submitted.name, submitted.failure) == ("tune-1", None)
    assert workspace.submit(request).name == "tune-1"
    done = ended(workspace, "tune-1")
    assert workspace.submit(request) == done

    (put,) = azure.control.calls("/jobs/tune-1$", "PUT")
    body = json.loads(put.body)["properties"]
    assert (body["displayName"], body["experimentName"]) == ("Tune tune-1", "ultrachat")
    assert body["tags"]["plan"] == "p-1"
    assert body["settings"]["force_rerun"] is True
    assert body["settings"]["continue_on_step_failure"] is False
    assert list(body["outputs"]) == ["trained_model"]

    assert done.status == "Completed"
    assert [stage.name for stage in done.stages] == STAGES
    assert {stage.status for stage in done.stages} == {"Completed"}
    times = [moment for stage in done.stages for moment in (stage.started_at, stage.ended_at)]
    assert times == sorted(times)
    metrics = workspace.metrics("tune-1")
    assert (metrics.step, metrics.losses) == (10, ((10, 0.5),))

    model = workspace.register_model("tuned", "1", "tune-1", {"job": "tune-1"}, "A tuned model")
    assert workspace.register_model("tuned", "1", "tune-1", {}, "") == model == workspace.model("tuned", "1")
    assert model.tags["job"] == "tune-1"
    assert workspace.model("tuned", "2") is None
    assert len(azure.control.calls("/models/tuned/versions/1", "PUT")) == 1


def test_failed_job_says_why(workspace, request_for):
    """A job that failed tells the stage, Azure's message and the end of its log."""
    workspace.submit(request_for("tune-fails", chat_completion_finetune="fail"))
    failed = ended(workspace, "tune-fails")
    assert failed.status == "Failed"
    assert failed.failure.stage == "chat_completion_finetune"
    assert "CUDA out of memory" in failed.failure.message
    assert failed.failure.code
    assert "Traceback: out of memory" in failed.failure.log
    assert [stage.status for stage in failed.stages][3] == "Failed"


def test_cancelled_job(workspace, request_for):
    """A running job is cancelled; cancelling what has ended, or again, is no error."""
    workspace.submit(request_for("tune-hangs", ft_nlp_common_validation="hang"))
    until(lambda: begun(workspace, "tune-hangs"))
    workspace.begin_cancel("tune-hangs")
    assert ended(workspace, "tune-hangs").status == "Canceled"
    workspace.begin_cancel("tune-hangs")
    with pytest.raises(AzureRefused, match="cancel the job nowhere"):
        workspace.begin_cancel("nowhere")


def test_answer_lost_after_submission(azure, workspace, request_for):
    """A submission whose answer is lost is not a second job, and the first goes on."""
    request = request_for("tune-lost", ft_nlp_common_validation="hang")
    azure.control.add_fault(Kind.DROP, "/jobs/tune-lost$", method="PUT", moment=Moment.AFTER)
    workspace.submit(request)
    until(lambda: begun(workspace, "tune-lost"))
    before = workspace.job("tune-lost")
    assert workspace.submit(request) == before
    workspace.begin_cancel("tune-lost")
    ended(workspace, "tune-lost")


@pytest.mark.parametrize(("status", "code"), [(429, "TooManyRequests"), (500, "ServiceError"), (504, "TransientError")])
def test_passing_trouble_is_unavailable(azure, workspace, status, code):
    """Trouble that lasts longer than the SDK's own retries is told as passing, with Azure's code; then all is well."""
    azure.control.add_fault(Kind.STATUS, "/jobs/tune-x$", times=3, status=status, code=code, message="Later.")
    with pytest.raises(AzureUnavailable) as caught:
        workspace.job("tune-x")
    assert caught.value.code == code
    assert "Later." in caught.value.why
    assert workspace.job("tune-x") is None


def test_short_trouble_is_not_noticed(azure, workspace):
    """One lost answer is repaired by the SDK."""
    azure.control.add_fault(Kind.STATUS, "/jobs/tune-y$", status=503)
    azure.control.add_fault(Kind.DROP, "/jobs/tune-y$")
    assert workspace.job("tune-y") is None


def test_many_threads_share_one_workspace(workspace, request_for):
    """Several people's jobs are submitted and read at the same time through one workspace, each its own."""
    names = [f"together-{number}" for number in range(4)]
    requests = [request_for(name, ft_nlp_common_validation="fail") for name in names]
    with ThreadPoolExecutor(8) as pool:
        submitted = list(pool.map(workspace.submit, requests))
        sizes = list(pool.map(lambda _: len(workspace.vm_sizes()), range(4)))
    assert [job.name for job in submitted] == names
    assert len(set(sizes)) == 1
    assert {ended(workspace, name).status for name in names} == {"Failed"}


def test_nothing_is_printed(workspace, request_for, capfd):
    """The SDK's bars, dots and warnings stay out of the bot's output."""
    request = request_for("quiet", ft_nlp_common_validation="fail")
    capfd.readouterr()
    workspace.submit(request)
    ended(workspace, "quiet")
    assert capfd.readouterr() == ("", "")


def test_requests_of_an_unknown_endpoint(workspace):
    """How often an endpoint was asked is unknown when Azure Monitor does not know it."""
    now = datetime.now(UTC)
    assert workspace.requests_since("nobody", now - timedelta(hours=1), now) is None
