"""The workspace, its registry and its sizes, as the unmodified azure-ai-ml finds them."""

import ast

import pytest
from azure.ai.ml import MLClient
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from tests.contract.conftest import workspace_client


def test_workspace_tells_where_its_services_are(azure, workspace):
    """I connect to my workspace and see its name, place and tracking address."""
    found = workspace.workspaces.get("local")
    assert (found.name, found.location) == ("local", "local")
    assert found.discovery_url == f"{azure.url}/discovery"
    assert found.mlflow_tracking_uri.startswith(
        f"azureml://127.0.0.1:{azure.workspace.port}/mlflow/v1.0/subscriptions/"
    )


def test_a_mistyped_workspace_is_not_found(azure):
    """I mistype the workspace and am told so, not served another one."""
    with pytest.raises(ResourceNotFoundError) as caught:
        workspace_client(azure, "locale").compute.get("this-machine")
    assert caught.value.error.code == "ResourceNotFound"
    assert "'Microsoft.MachineLearningServices/workspaces/locale' under resource group 'local'" in str(caught.value)


def test_a_foreign_subscription_is_not_found(azure):
    """I use a subscription id of elsewhere and am told that it does not exist."""
    client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000009", "local", "local")
    with pytest.raises(ResourceNotFoundError) as caught:
        client.workspaces.get("local")
    assert caught.value.error.code == "SubscriptionNotFound"


def test_registry_offers_a_model_this_machine_can_tune(registry, workspace):
    """I take the small model of the catalogue: its tags allow this machine's own size and give it parameters."""
    model = registry.models.get("SmolLM2-135M-Instruct", label="latest")
    assert model.id == "azureml://registries/azureml/models/SmolLM2-135M-Instruct/versions/1"
    size = workspace.compute.get("this-machine").size
    assert size.lower() in [name.lower() for name in ast.literal_eval(model.tags["finetune_compute_allow_list"])]
    defaults = ast.literal_eval(model.tags["model_specific_defaults"])
    assert (defaults["apply_lora"], defaults["learning_rate"]) == ("true", 0.001)


def test_registry_shows_that_phi3_is_archived(registry):
    """I look at the walkthrough's own model: archived, retired, with defaults that the component refuses."""
    properties = registry.models._get("Phi-3-mini-4k-instruct", "15").properties
    assert properties["isArchived"] is True
    assert properties["tags"]["finetuneRetirementDate"] == "2025-08-30"
    assert "finetune_compute_allow_list" not in properties["tags"]
    assert "Standard_NC24ads_A100_v4" in properties["systemMetadata"]["supportedComputes"]["finetuneComputes"]
    component = registry.components.get("chat_completion_pipeline", label="latest")
    assert "learning_rate_min" in ast.literal_eval(properties["tags"]["model_specific_defaults"])
    assert "learning_rate_min" not in component.inputs


def test_registry_has_no_such_model(registry):
    """I ask for a model version that nobody published and get Azure's words for it."""
    with pytest.raises(ResourceNotFoundError) as caught:
        registry.models.get("Phi-9", "1")
    assert caught.value.error.code == "UserError"
    assert "Could not find asset with ID: azureml://registries/azureml/models/Phi-9/versions/1" in str(caught.value)


def test_other_registries_are_refused(azure):
    """I name a registry I may not read and am refused."""
    with pytest.raises(ClientAuthenticationError):
        MLClient(DefaultAzureCredential(), registry_name="contoso").models.get("Phi-4", "7")


def test_component_has_all_inputs(registry):
    """I fetch the fine-tuning component: 69 inputs, of which only the task is required, with their choices."""
    component = registry.components.get("chat_completion_pipeline", label="latest")
    assert (component.version, len(component.inputs)) == ("0.0.82", 69)
    assert component.inputs["deepspeed_stage"].enum == ["2", "3"]
    assert component.inputs["learning_rate"].default == pytest.approx(2e-5)
    assert [name for name, found in component.inputs.items() if not found.optional] == ["task_name"]
    assert set(component.outputs) == {"pytorch_model_folder", "mlflow_model_folder"}
