"""The life of jobs in the local workspace, as the unmodified azure-ai-ml sees it."""

import json
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import psutil
import pytest
from azure.ai.ml.entities import Model
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.contract.local_workspace import Credential, client, finetuning, serving, until

STAGES = [
    "ft_nlp_common_validation",
    "chat_completion_model_import",
    "chat_completion_datapreprocess",
    "chat_completion_finetune",
    "ft_nlp_model_converter",
]


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("workspace")) as azure:
        yield azure


@pytest.fixture(scope="module")
def ml(azure):
    return client(azure)


@pytest.fixture(scope="module")
def component(azure):
    return client(azure, registry="azureml").components.get(name="chat_completion_pipeline", label="latest")


@pytest.fixture(scope="module")
def completed(azure, ml, component):
    job = ml.jobs.create_or_update(finetuning(azure, component), experiment_name="chat")
    until(lambda: ml.jobs.get(job.name).status == "Completed")
    return ml.jobs.get(job.name)


def rest(azure, method, path, body=None):
    """Call the server without an SDK; return status and JSON."""
    token = Credential(azure).get_token(azure.url).token
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(azure.url + path, data, headers, method=method)
    context = ssl.create_default_context(cafile=str(azure.ca_file))
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def children(ml, job):
    """Return the statuses of a job's children by display name, in their order."""
    return {child.display_name: child.status for child in ml.jobs.list(parent_job_name=job.name)}


def test_a_job_runs_its_five_stages_and_completes(ml, completed):
    """A person submits a fine-tuning and sees its five stages completed, in order, under the component's names."""
    assert children(ml, completed) == dict.fromkeys(STAGES, "Completed")
    assert completed.experiment_name == "chat"
    assert completed.outputs["trained_model"].path is None
    assert completed.properties["azureml.runsource"] == "azureml.PipelineRun"
    assert completed.properties["azureml.enforceRerun"] == "True"


def test_a_new_job_is_preparing_and_a_child_has_no_properties(azure, ml, completed):
    """A client that reads the raw JSON finds Azure's keys: a child run without properties, an output without a uri."""
    root = azure.workspace.resource_id
    child = next(iter(ml.jobs.list(parent_job_name=completed.name))).name
    status, body = rest(azure, "GET", f"{root}/jobs/{child}?api-version=2024-01-01-preview")
    assert (status, set(body)) == (200, {"id", "name", "type", "systemData"})
    status, body = rest(azure, "GET", f"{root}/jobs/{completed.name}?api-version=2024-01-01-preview")
    assert body["properties"]["outputs"]["trained_model"]["uri"] is None
    assert body["properties"]["services"]["Studio"]["nodes"] is None
    assert set(body["systemData"]) == {"createdAt", "createdBy", "createdByType"}


def test_the_output_is_a_model_as_azure_types_it(azure, completed):
    """Run data calls a model-typed output MLFlowModel, as Azure does, so that the SDK's own bug is not hidden."""
    history = f"/history/v1.0{azure.workspace.resource_id}"
    _, body = rest(azure, "POST", f"{history}/rundata", {"runId": completed.name, "selectRunMetadata": True})
    outputs = body["runMetadata"]["outputs"]
    assert {name: output["type"] for name, output in outputs.items()} == {
        "default": "UriFolder",
        "trained_model": "MLFlowModel",
    }


def test_downloads_are_what_azure_makes_of_them(ml, completed, tmp_path):
    """A stage's log can be downloaded.

    A model-typed output cannot, because of azure-ai-ml's own bug, but registered it can.
    """
    child = next(c for c in ml.jobs.list(parent_job_name=completed.name) if c.display_name == STAGES[3])
    ml.jobs.download(child.name, download_path=tmp_path / "child")
    (log,) = (tmp_path / "child").rglob("std_log.txt")
    assert "chat_completion_finetune begins" in log.read_text()
    with pytest.raises(TypeError, match="BatchGetResolvedUrisDto"):
        ml.jobs.download(completed.name, download_path=tmp_path, output_name="trained_model")
    path = f"azureml://jobs/{completed.name}/outputs/trained_model"
    ml.models.create_or_update(Model(path=path, type="mlflow_model", name="tuned", version="1"))
    ml.models.download("tuned", version="1", download_path=tmp_path / "model")
    assert [file.read_text() for file in (tmp_path / "model").rglob("from.txt")] == ["ft_nlp_model_converter"]


def test_metrics_of_a_stage_are_read_over_mlflow(azure, ml, completed):
    """The loss that the fine-tuning logged is read back with its step; an unknown run is refused in MLflow's form."""
    child = next(c for c in ml.jobs.list(parent_job_name=completed.name) if c.display_name == STAGES[3])
    root = f"/mlflow/v1.0{azure.workspace.resource_id}/api/2.0/mlflow"
    _, body = rest(azure, "GET", f"{root}/metrics/get-history?run_id={child.name}&metric_key=loss")
    assert [(metric["value"], metric["step"]) for metric in body["metrics"]] == [(0.5, 10)]
    _, body = rest(azure, "GET", f"{root}/runs/get?run_id={child.name}")
    assert body["run"]["info"]["status"] == "FINISHED"
    assert body["run"]["data"]["metrics"][0]["key"] == "loss"
    status, body = rest(azure, "GET", f"{root}/runs/get?run_id=nobody")
    assert (status, body["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_mlflow_logs_and_reads(azure, completed):
    """Somebody who uses MLflow's REST API logs parameters, tags and metrics on a run and finds them again."""
    root = f"/mlflow/v1.0{azure.workspace.resource_id}/api/2.0/mlflow"
    metric = {"run_id": completed.name, "key": "eval_loss", "value": "NaN", "timestamp": "1790000000000", "step": "3"}
    assert rest(azure, "POST", f"{root}/runs/log-metric", metric) == (200, {})
    pair = {"run_id": completed.name, "key": "seed", "value": "42"}
    assert rest(azure, "POST", f"{root}/runs/log-parameter", pair) == (200, {})
    assert rest(azure, "POST", f"{root}/runs/set-tag", pair | {"key": "who"}) == (200, {})
    status, body = rest(azure, "POST", f"{root}/runs/log-parameter", pair | {"value": "43"})
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    _, body = rest(azure, "GET", f"{root}/runs/get?run_id={completed.name}")
    data = body["run"]["data"]
    assert data["metrics"] == [{"key": "eval_loss", "value": "NaN", "timestamp": 1790000000000, "step": 3}]
    assert data["params"] == [{"key": "seed", "value": "42"}]
    assert {"key": "who", "value": "42"} in data["tags"]


def test_mlflow_finds_the_runs_of_an_experiment(azure, completed):
    """The children of a job are found through their experiment and their parent's tag."""
    root = f"/mlflow/v1.0{azure.workspace.resource_id}/api/2.0/mlflow"
    _, body = rest(azure, "GET", f"{root}/experiments/get-by-name?experiment_name=chat")
    asked = {"experiment_ids": [body["experiment"]["experiment_id"]]}
    parent = {"filter": f"tags.mlflow.parentRunId = '{completed.name}'"}
    _, body = rest(azure, "POST", f"{root}/runs/search", asked | parent)
    assert [run["info"]["run_name"] for run in body["runs"]] == STAGES
    status, body = rest(azure, "POST", f"{root}/runs/search", asked | {"filter": "metrics.loss < 1"})
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    status, body = rest(azure, "GET", f"{root}/experiments/get-by-name?experiment_name=none")
    assert (status, body["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_streaming_prints_the_pipelines_log(ml, completed, capsys):
    """Streaming a finished job prints its summary and does not raise."""
    ml.jobs.stream(completed.name)
    assert f"RunId: {completed.name}" in capsys.readouterr().out


def test_a_failed_stage_fails_the_job(azure, ml, component):
    """When the fine-tuning runs out of memory, its run tells why, and later stages never start."""
    job = ml.jobs.create_or_update(finetuning(azure, component, {STAGES[3]: "fail"}))
    with pytest.raises(JobException, match="Pipeline has failed child jobs"):
        ml.jobs.stream(job.name)
    assert ml.jobs.get(job.name).status == "Failed"
    assert list(children(ml, job).values()) == ["Completed", "Completed", "Completed", "Failed", "NotStarted"]
    child = next(c for c in ml.jobs.list(parent_job_name=job.name) if c.display_name == STAGES[3])
    _, body = rest(azure, "GET", f"/history/v1.0{azure.workspace.resource_id}/runs/{child.name}")
    assert body["error"]["error"]["code"] == "UserError"
    assert "out of memory" in body["error"]["error"]["message"]
    assert body["endTimeUtc"] > body["startTimeUtc"]


def test_logs_of_each_stage_are_readable_by_their_url(azure, ml, completed):
    """The URL in a child run's details carries a SAS and gives the stage's own output."""
    child = next(c for c in ml.jobs.list(parent_job_name=completed.name) if c.display_name == STAGES[3])
    _, body = rest(azure, "GET", f"/history/v1.0{azure.workspace.resource_id}/runs/{child.name}/details")
    url = body["logFiles"]["user_logs/std_log.txt"]
    assert "sig=" in url
    with urllib.request.urlopen(url, context=ssl.create_default_context(cafile=str(azure.ca_file))) as answer:
        assert b"chat_completion_finetune begins" in answer.read()


@pytest.mark.parametrize("order", ["hang", "deaf"])
def test_cancel_ends_a_running_job(azure, ml, component, order):
    """A cancelled job has ended when the poller has, also when its process ignores the polite signal."""
    job = ml.jobs.create_or_update(finetuning(azure, component, {STAGES[3]: order}))
    until(lambda: "hangs" in _log(azure, ml, job))
    ml.jobs.begin_cancel(job.name).result()
    assert ml.jobs.get(job.name).status == "Canceled"
    assert list(children(ml, job).values()) == ["Completed"] * 3 + ["Canceled"] * 2


def test_cancel_of_a_finished_job_is_refused(ml, completed):
    """A finished pipeline cannot be cancelled, in Azure's words."""
    with pytest.raises(HttpResponseError) as refused:
        ml.jobs.begin_cancel(completed.name)
    assert refused.value.status_code == 400
    assert f"The pipeline run {completed.name} is in terminal status, it can't be canceled." in str(refused.value)


def test_a_second_job_waits_for_the_node(azure, ml, component):
    """On a compute with one node the second job waits until the first is gone; a waiting job can be cancelled."""
    first = ml.jobs.create_or_update(finetuning(azure, component, {STAGES[0]: "hang"}))
    second = ml.jobs.create_or_update(finetuning(azure, component))
    third = ml.jobs.create_or_update(finetuning(azure, component))
    until(lambda: ml.jobs.get(first.name).status == "Running")
    assert (ml.jobs.get(second.name).status, ml.jobs.get(third.name).status) == ("Queued", "Queued")
    ml.jobs.begin_cancel(third.name).result()
    assert ml.jobs.get(third.name).status == "Canceled"
    assert ml.jobs.get(second.name).status == "Queued"
    ml.jobs.begin_cancel(first.name).result()
    until(lambda: ml.jobs.get(second.name).status == "Completed")


def test_putting_an_existing_job_updates_it_and_starts_nothing(azure, ml, completed):
    """Changing a finished job's tags answers 200 and leaves its runs as they were."""
    path = f"{azure.workspace.resource_id}/jobs/{completed.name}?api-version=2024-01-01-preview"
    _, body = rest(azure, "GET", path)
    runs = [child.name for child in ml.jobs.list(parent_job_name=completed.name)]
    status, body = rest(azure, "PUT", path, {"properties": body["properties"] | {"tags": {"kept": "yes"}}})
    assert (status, body["properties"]["tags"], body["properties"]["status"]) == (200, {"kept": "yes"}, "Completed")
    assert [child.name for child in ml.jobs.list(parent_job_name=completed.name)] == runs


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"learning_rate": "fast"}, "not of type number"),
        ({"num_train_epochs": 0}, "below the minimum 1"),
        ({"apply_lora": "maybe"}, r"not one of \[true, false\]"),
        ({"compute_finetune": "nowhere"}, "Compute nowhere was not found"),
    ],
)
def test_wrong_inputs_are_refused(azure, ml, component, inputs, message):
    """What the component cannot take is refused before anything runs, in the form of an invalid pipeline job."""
    with pytest.raises(HttpResponseError, match=message) as refused:
        ml.jobs.create_or_update(finetuning(azure, component, None, **inputs))
    assert (refused.value.status_code, refused.value.error.code) == (400, "UserError")


def test_unknown_inputs_components_and_models_are_refused(azure, ml, component, completed):
    """A body that no SDK would send is refused like one that it would."""
    root = azure.workspace.resource_id
    _, body = rest(azure, "GET", f"{root}/jobs/{completed.name}")
    (node,) = body["properties"]["jobs"].values()

    def put(**changes):
        changed = body["properties"] | {"jobs": {"node": node | changes}}
        return rest(azure, "PUT", f"{root}/jobs/{uuid.uuid4()}", {"properties": changed})

    status, answer = put(inputs=node["inputs"] | {"learning_rate_min": {"job_input_type": "literal", "value": "1"}})
    assert (status, answer["error"]["code"]) == (400, "UserError")
    assert "unknown inputs [learning_rate_min]" in answer["error"]["message"]
    inner = next(item for item in answer["error"]["additionalInfo"] if item["type"] == "InnerError")["info"]["value"]
    assert inner["innerError"]["innerError"]["code"] == "InvalidPipelineJob"
    status, answer = put(componentId="azureml://registries/azureml/components/nothing/versions/1")
    assert (status, answer["error"]["message"].startswith("Could not find asset with ID")) == (404, True)
    model = {"job_input_type": "mlflow_model", "uri": "azureml://registries/azureml/models/none/versions/1"}
    status, answer = put(inputs=node["inputs"] | {"mlflow_model_path": model})
    assert (status, answer["error"]["code"]) == (404, "UserError")
    bound = {"job_input_type": "literal", "value": "${{parent.name}}"}
    status, answer = put(inputs=node["inputs"] | {"seed": bound})
    assert answer["error"]["message"].startswith("Invalid expression parent.name.")


def test_an_unknown_job_is_not_found(ml):
    """Asking for a job that never was raises the SDK's own not-found error with Azure's words."""
    with pytest.raises(ResourceNotFoundError, match="Job nobody not found"):
        ml.jobs.get("nobody")


def test_jobs_are_listed_in_pages_newest_first(azure, ml, completed, monkeypatch):
    """The list follows its next links to the end, and knows archived jobs."""
    monkeypatch.setattr("core.local_azure.server.routes.jobs.PAGE", 2)
    names = [job.name for job in ml.jobs.list()]
    assert len(names) > 2
    assert completed.name in names
    assert len(names) == len(set(names))
    ml.jobs.archive(completed.name)
    assert completed.name not in [job.name for job in ml.jobs.list()]
    ml.jobs.restore(completed.name)
    assert completed.name in [job.name for job in ml.jobs.list()]


def test_a_job_survives_the_restart_of_the_server(tmp_path):
    """A job that was fine-tuning when the server went down goes on, from its checkpoint, when the server is back."""
    with serving(tmp_path) as azure:
        ml = client(azure)
        component = client(azure, registry="azureml").components.get(name="chat_completion_pipeline", label="latest")
        job = ml.jobs.create_or_update(finetuning(azure, component, {STAGES[3]: "hang"}))
        until(lambda: "hangs" in _log(azure, ml, job))
        before = [child.name for child in ml.jobs.list(parent_job_name=job.name)]
    with serving(tmp_path) as azure:
        ml = client(azure)
        until(lambda: ml.jobs.get(job.name).status == "Completed")
        assert [child.name for child in ml.jobs.list(parent_job_name=job.name)] == before
        assert "resume_from_checkpoint=true" in _log(azure, ml, job)


def test_a_job_survives_a_killed_server(tmp_path, monkeypatch):
    """After a kill -9 the next server ends the process left behind, and the job goes on from its checkpoint."""
    with serving(tmp_path) as azure:
        ml = client(azure)
        component = client(azure, registry="azureml").components.get(name="chat_completion_pipeline", label="latest")
        job = finetuning(azure, component, {STAGES[3]: "hang"})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", azure.environment["REQUESTS_CA_BUNDLE"])
    killed = subprocess.Popen([sys.executable, "-m", "tests.contract.stand_in_engine", str(tmp_path)])
    try:
        until(lambda: _answers(azure.workspace.port), seconds=60)
        job = ml.jobs.create_or_update(job)
        until(lambda: "hangs" in _log(azure, ml, job))
    finally:
        killed.kill()
        killed.wait()
    (orphan,) = _hanging(tmp_path)
    with serving(tmp_path) as azure:
        until(lambda: ml.jobs.get(job.name).status == "Completed")
        assert not psutil.pid_exists(orphan)
        assert "resume_from_checkpoint=true" in _log(azure, ml, job)


def test_a_deleted_job_is_gone(azure, ml, component):
    """A finished job can be deleted, a running one cannot."""
    job = ml.jobs.create_or_update(finetuning(azure, component, {STAGES[0]: "hang"}))
    until(lambda: ml.jobs.get(job.name).status == "Running")
    with pytest.raises(HttpResponseError, match="Cancel it before"):
        ml.jobs.begin_delete(job.name)
    ml.jobs.begin_cancel(job.name).result()
    ml.jobs.begin_delete(job.name).result()
    with pytest.raises(ResourceNotFoundError):
        ml.jobs.get(job.name)


def _answers(port: int) -> bool:
    """Return whether a server listens on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _hanging(folder: Path) -> list[int]:
    """Return the processes that work on stages of the jobs in `folder`."""
    found = psutil.process_iter(["cmdline"])  # None of one that has ended meanwhile
    return [process.pid for process in found if f"{folder}/work/" in " ".join(process.info["cmdline"] or ())]


def _log(azure, ml, job) -> str:
    """Return what the fine-tuning of a job has written so far."""
    child = next(c for c in ml.jobs.list(parent_job_name=job.name) if c.display_name == STAGES[3])
    file = Path(azure.folder, "blobs", "azureml", "ExperimentRun", f"dcid.{child.name}", "user_logs", "std_log.txt")
    return file.read_text() if file.exists() else ""
