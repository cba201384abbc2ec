"""A local Azure ML workspace, and the unmodified SDKs pointed at it by their environment only."""

import os
from collections.abc import Iterator

import pytest

# azure-ai-ml reads these when it is imported.
os.environ.setdefault("AZUREML_RUN_POLLING_INTERVAL_MIN", "1")
os.environ.setdefault("AZUREML_RUN_POLLING_INTERVAL_MAX", "1")

from core.local_azure.server.running import RunningAzure, running_azure


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAzure]:
    """One server for all tests that need no engine."""
    with running_azure(tmp_path_factory.mktemp("azure")) as azure:
        yield azure


@pytest.fixture
def azure(azure_server: RunningAzure, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningAzure]:
    """The server, an empty workspace, in the environment of this test."""
    azure_server.control.reset()
    point_to(azure_server, monkeypatch)
    return azure_server


def point_to(azure: RunningAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the SDKs of this process find `azure`, also when a former test has set a cloud."""
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def workspace(azure: RunningAzure):
    """The client of the workspace as a user makes it."""
    return workspace_client(azure)


@pytest.fixture
def registry(azure: RunningAzure):
    """The client of the registry as a user makes it."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    return MLClient(DefaultAzureCredential(), registry_name="azureml")


def workspace_client(azure: RunningAzure, name: str = "local", **options):
    """Return a client of the workspace `name`."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    group = azure.workspace.resource_group
    return MLClient(DefaultAzureCredential(), azure.workspace.subscription, group, name, show_progress=False, **options)
