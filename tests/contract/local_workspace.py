"""A local workspace whose engine is a stand-in, and the unmodified azure-ai-ml pointed at it."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

os.environ.setdefault("AZUREML_RUN_POLLING_INTERVAL_MIN", "1")
os.environ.setdefault("AZUREML_RUN_POLLING_INTERVAL_MAX", "1")

from azure.ai.ml import Input, MLClient
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import PipelineJob
from azure.core.credentials import AccessToken

from core.local_azure.server.identity import Tokens
from core.local_azure.server.running import RunningAzure, running_azure
from tests.contract.stand_in_engine import ENGINE


@contextmanager
def serving(folder: Path) -> Iterator[RunningAzure]:
    """Serve `folder`, with the environment that clients need."""
    with running_azure(folder, engine=ENGINE) as azure, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", azure.environment["REQUESTS_CA_BUNDLE"])
        yield azure


class Credential:
    """Tokens as the workspace's managed identity gives them."""

    def __init__(self, azure: RunningAzure) -> None:
        self._tokens = Tokens(azure.workspace.signing_key, azure.workspace.tenant, azure.url)

    def get_token(self, *scopes, **_) -> AccessToken:
        return AccessToken(self._tokens.mint(scopes[0].removesuffix("/.default")), int(time.time()) + 3600)


def client(azure: RunningAzure, registry: str | None = None) -> MLClient:
    """Return azure-ai-ml's client of the workspace, or of the registry."""
    url = azure.url
    options = {
        "cloud": f"AzureLocal-{azure.workspace.port}",
        "cloud_metadata": {
            "azure_portal": url,
            "resource_manager": f"{url}/",
            "active_directory": url,
            "aml_resource_id": url,
            "storage_endpoint": "local",
            "registry_discovery_endpoint": f"{url}/",
        },
        "polling_interval": 1,
        "show_progress": False,
        "enable_telemetry": False,
    }
    if registry:
        return MLClient(Credential(azure), registry_name=registry, **options)
    workspace = azure.workspace
    return MLClient(Credential(azure), workspace.subscription, workspace.resource_group, workspace.name, **options)


def finetuning(azure: RunningAzure, component, orders: dict[str, str] | None = None, **inputs) -> PipelineJob:
    """Return a pipeline job whose stages obey `orders`, as `fake_stage` explains them."""
    file = azure.folder / "blobs" / azure.workspace.container / "orders" / f"{abs(hash(str(orders)))}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(orders or {}))
    train = f"azureml://datastores/workspaceblobstore/paths/orders/{file.name}"
    model = "azureml://registries/azureml/models/SmolLM2-135M-Instruct/versions/1"
    compute = "this-machine"

    @pipeline(name="smollm2-ultrachat")
    def create():
        node = component(
            **{
                "mlflow_model_path": Input(type="mlflow_model", path=model),
                "train_file_path": Input(type="uri_file", path=train),
                "compute_model_import": compute,
                "compute_preprocess": compute,
                "compute_finetune": compute,
            }
            | inputs
        )
        return {"trained_model": node.outputs.mlflow_model_folder}

    job = create()
    job.settings.force_rerun = True
    job.settings.continue_on_step_failure = False
    return job


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail the test when it does not within `seconds`."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        pause.wait(0.05)
