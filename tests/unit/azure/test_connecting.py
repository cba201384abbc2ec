"""What a person reads when the bot cannot find or sign in to Azure."""

import sys
import time

import pytest

from core.azure.cloud import resource_manager_url
from core.azure.workspace import connect
from core.errors import AzureUnavailable, ConfigurationError
from core.settings import AzureSettings
from tests.unit.azure.conftest import Reply


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """Start without any Azure settings."""
    for name in ("ARM_CLOUD_METADATA_URL", "AZUREML_CURRENT_CLOUD", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    monkeypatch.chdir(tmp_path)


def test_public_and_sovereign_clouds(monkeypatch):
    """Without settings the bot works in the public cloud; a named cloud has its own address."""
    assert resource_manager_url() == "https://management.azure.com"
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureUSGovernment")
    assert resource_manager_url() == "https://management.usgovcloudapi.net"


def test_cloud_of_a_metadata_address(serve, monkeypatch):
    """A metadata address leads to the cloud that it is itself part of."""

    def answer(_):
        other = {"name": "Other", "resourceManager": "https://elsewhere/"}
        return Reply(200, [other, {"name": "Own", "resourceManager": f"{served.url}/"}])

    served = serve(answer)
    monkeypatch.setenv("ARM_CLOUD_METADATA_URL", f"{served.url}/metadata/endpoints")
    assert resource_manager_url() == served.url
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "Other")
    assert resource_manager_url() == "https://elsewhere"
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "Nowhere")
    with pytest.raises(ConfigurationError, match="lists no cloud Nowhere"):
        resource_manager_url()


def test_metadata_that_does_not_answer(monkeypatch):
    """A metadata address where nobody answers may answer later."""
    monkeypatch.setenv("ARM_CLOUD_METADATA_URL", "http://127.0.0.1:9/metadata/endpoints")
    with pytest.raises(AzureUnavailable):
        resource_manager_url()


def test_nobody_signed_in():
    """Without a credential the bot says at its start what to set, and opens no browser."""
    with pytest.raises(ConfigurationError, match="could not sign in") as caught:
        connect(AzureSettings(subscription_id="s", resource_group="g", ml_workspace="w"), interactive=False)
    assert "az login" in caught.value.next
    assert "AZURE_CLIENT_ID" in caught.value.next


def test_signing_in_does_not_import_the_sdk():
    """The types and the workspace are imported without the three seconds of the SDK."""
    import subprocess

    code = "import sys, core.azure.workspace, core.azure.scoring; sys.exit('azure.ai.ml' in sys.modules)"
    began = time.perf_counter()
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
    assert time.perf_counter() - began < 30
