"""Files and models: uploaded, registered, found and downloaded through the unmodified azure-ai-ml."""

import os
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from core.clock import system_clock
from core.local_azure.server.sas import sas

MLMODEL = "flavors:\n  hftransformersv2:\n    task_type: chat-completion\n"


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A small MLflow model."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    return folder


@pytest.fixture
def container(azure) -> ContainerClient:
    """The storage SDK's client of the default datastore's container."""
    url = f"{azure.workspace.blob_url}/{azure.workspace.container}?{sas(azure.workspace)}"
    return ContainerClient.from_container_url(url)


def test_a_model_comes_back_byte_for_byte(workspace, model_folder, tmp_path):
    """I register a model of 20 MB from my disk and download it: the same bytes, empty and odd names too."""
    weights = os.urandom(20_000_000)
    (model_folder / "weights.bin").write_bytes(weights)
    (model_folder / "empty.txt").touch()
    (model_folder / "deep").mkdir()
    (model_folder / "deep" / "a b%20ü.txt").write_text("x")
    model = workspace.models.create_or_update(Model(path=str(model_folder), type="mlflow_model", name="tuned"))
    assert model.version == "1"
    assert model.flavors == {"hftransformersv2": {"task_type": "chat-completion"}}
    workspace.models.download("tuned", "1", download_path=str(tmp_path / "down"))
    down = tmp_path / "down" / "tuned" / "model"
    assert (down / "weights.bin").read_bytes() == weights
    assert (down / "empty.txt").read_bytes() == b""
    assert (down / "deep" / "a b%20ü.txt").read_text() == "x"


def test_blocks_become_one_blob(container):
    """I upload a file in blocks, as large files are: it is there only when the list is committed, and in its order."""
    blob = container.get_blob_client("big/file.bin")
    for name, content in (("b", b"world"), ("a", b"hello ")):
        blob.stage_block(name, content)
    assert not blob.exists()
    blob.commit_block_list(["a", "b"], metadata={"upload_status": "completed"})
    assert blob.download_blob(offset=3, length=5).readall() == b"lo wo"
    assert blob.get_blob_properties().metadata == {"upload_status": "completed"}
    with pytest.raises(HttpResponseError) as caught:
        blob.commit_block_list(["never-sent"])
    assert caught.value.error_code == "InvalidBlockList"


def test_blobs_are_listed_in_pages_and_folders(container):
    """I list a folder of many files: all of them, page by page, and folded by folder when I walk."""
    for name in ("a/1.txt", "a/2.txt", "a/b/3.txt", "c.txt"):
        container.upload_blob(name, b"x")
    pages = [[blob.name for blob in page] for page in container.list_blobs(results_per_page=3).by_page()]
    assert pages == [["a/1.txt", "a/2.txt", "a/b/3.txt"], ["c.txt"]]
    assert [blob.name for blob in container.walk_blobs("a/")] == ["a/b/", "a/1.txt", "a/2.txt"]


def test_an_existing_blob_is_not_overwritten_unasked(container):
    """I upload twice under one name: refused, unless I say so."""
    container.upload_blob("one", b"first")
    with pytest.raises(HttpResponseError) as caught:
        container.upload_blob("one", b"second")
    assert (caught.value.status_code, caught.value.error_code) == (409, "BlobAlreadyExists")
    container.upload_blob("one", b"second", overwrite=True)
    assert container.download_blob("one").readall() == b"second"


@pytest.mark.parametrize("change", ["missing", "forged", "expired"])
def test_blobs_need_a_valid_signature(azure, container, change):
    """I open a file's address without a signature, with a forged or an old one: refused each time."""
    container.upload_blob("secret", b"x")
    query = {
        "missing": "",
        "forged": sas(azure.workspace).replace("sp=rwdlac", "sp=rwdlacx"),
        "expired": sas(azure.workspace, system_clock, timedelta(seconds=-1)),
    }[change]
    answer = httpx.get(
        f"{azure.workspace.blob_url}/{azure.workspace.container}/secret?{query}", verify=str(azure.ca_file)
    )
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_names_do_not_lead_out_of_the_container(azure):
    """I try a blob name with dots: the server's own files stay its own."""
    url = f"{azure.workspace.blob_url}/{azure.workspace.container}/..%2F..%2Fworkspace.json?{sas(azure.workspace)}"
    answer = httpx.get(url, verify=str(azure.ca_file))
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidUri")


def test_versions_count_up_and_the_newest_is_latest(workspace, model_folder):
    """I register the same name twice: a new version, which is the latest until I archive it."""
    for _ in range(2):
        last = workspace.models.create_or_update(Model(path=str(model_folder), type="mlflow_model", name="tuned"))
    assert last.version == "2"
    assert workspace.models.get("tuned", label="latest").version == "2"
    assert [model.version for model in workspace.models.list("tuned")] == ["2", "1"]
    workspace.models.archive("tuned", "2")
    assert [model.version for model in workspace.models.list("tuned")] == ["1"]
    workspace.models.restore("tuned", "2")
    assert [model.name for model in workspace.models.list()] == ["tuned"]


def test_a_version_changes_its_words_but_not_its_files(azure, workspace, model_folder):
    """I describe a registered version anew: 200, and other files under the same version are refused."""
    model = workspace.models.create_or_update(Model(path=str(model_folder), type="mlflow_model", name="t", version="7"))
    model.description = "better"
    assert workspace.models.create_or_update(model).description == "better"
    statuses = [call.status for call in azure.control.calls(path="/models/t/versions/7", method="PUT")]
    assert statuses == [201, 200]
    (model_folder / "more.txt").write_text("other content")
    with pytest.raises(Exception, match=r"change the artifact path|Asset paths cannot be updated"):
        workspace.models.create_or_update(Model(path=str(model_folder), type="mlflow_model", name="t", version="7"))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("azureml://jobs/nobody/outputs/trained_model", "Job nobody not found."),
        ("azureml://datastores/elsewhere/paths/model", "Could not find datastore: elsewhere."),
        ("azureml://datastores/workspaceblobstore/paths/not/there", "does not exist in datastore"),
    ],
)
def test_a_model_without_files_is_refused(workspace, path, words):
    """I register what does not exist and am told what is missing."""
    with pytest.raises(HttpResponseError, match=words) as caught:
        workspace.models.create_or_update(Model(path=path, type="custom_model", name="ghost", version="1"))
    assert caught.value.error.code == "UserError"


def test_an_unknown_model_is_not_found(workspace):
    """I ask for a model that nobody registered."""
    with pytest.raises(ResourceNotFoundError) as caught:
        workspace.models.get("nobody", "1")
    assert "Model container with name: nobody not found." in str(caught.value)
