"""The bot's own view of a local workspace, found by the environment alone, as the bot is started with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.azure.workspace import Workspace, connect
from core.local_azure.server.processes import Engine
from core.local_azure.server.running import RunningAzure, running_azure
from core.settings import AzureSettings


@contextmanager
def found_by_environment(folder: Path, engine: Engine) -> Iterator[RunningAzure]:
    """Serve `folder` and point this process to it."""
    with running_azure(folder, engine=engine) as azure, pytest.MonkeyPatch.context() as patch:
        for name, value in azure.environment.items():
            patch.setenv(name, value)
        # Other tests of this process may have left the name of their cloud.
        patch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
        yield azure


def connected(azure: RunningAzure, **changes: str) -> Workspace:
    """Return the bot's view of `azure`, with other settings where `changes` says so."""
    named = {
        "subscription_id": azure.workspace.subscription,
        "resource_group": azure.workspace.resource_group,
        "ml_workspace": azure.workspace.name,
    }
    return connect(AzureSettings(**{**named, **changes}), interactive=False)
