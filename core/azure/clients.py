"""The connections to one workspace and its registry, made when first needed and shared by all threads."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HeadersPolicy,
    RequestIdPolicy,
    RetryPolicy,
    UserAgentPolicy,
)
from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient

from core.azure.quiet import silence

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

PROVIDER = "/providers/Microsoft.MachineLearningServices"
# A step that fails is repeated by the reconciler, so the SDK itself retries only short disturbances; seconds.
OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "retry_backoff_factor": 0.4,
    "retry_backoff_max": 4,
    "connection_timeout": 15,
    "read_timeout": 90,
}


def word(value: Any) -> str:
    """Return Azure's own word for a state; the SDK gives an enum for those it knows and text for others."""
    return str(getattr(value, "value", value) or "Unknown")


class Clients:
    """One `MLClient` for the workspace, one for the registry, and plain REST with the same credential.

    `resource_manager_url` has no slash at its end.
    """

    def __init__(
        self,
        credential: TokenCredential,
        resource_manager_url: str,
        subscription_id: str,
        resource_group: str,
        workspace_name: str,
        registry_name: str,
    ) -> None:
        self._credential = credential
        self.resource_manager_url = resource_manager_url
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.workspace_name = workspace_name
        self.registry_name = registry_name
        self._connecting = Lock()
        self._made: dict[str, Any] = {}
        # azure.ai.ml's pipeline decorator keeps one stack for the whole process.
        self.building = Lock()

    @property
    def workspace_id(self) -> str:
        """Return the workspace's Azure Resource Manager id."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}{PROVIDER}/workspaces/{self.workspace_name}"

    @property
    def workspace(self) -> MLClient:
        """Return the client of the workspace; the first call imports the SDK (3 s)."""
        ids = (self.subscription_id, self.resource_group, self.workspace_name)
        return self._connected("workspace", *ids)

    @property
    def registry(self) -> MLClient:
        """Return the client of the registry; the first call asks where the registry is."""
        return self._connected("registry", registry_name=self.registry_name)

    @property
    def description(self) -> Any:
        """Return the SDK's workspace entity, read once: location, discovery URL, MLflow tracking URI."""
        workspace = self.workspace
        with self._connecting:
            if "description" not in self._made:
                self._made["description"] = workspace.workspaces.get(self.workspace_name)
            return self._made["description"]

    @cached_property
    def data_plane_url(self) -> str:
        """Return where run history and its sibling services are, as the workspace's discovery says; read once."""
        return str(self.rest.get(str(self.description.discovery_url))["api"]).rstrip("/")

    @cached_property
    def tracking_url(self) -> str:
        """Return the MLflow tracking server's address."""
        return str(self.description.mlflow_tracking_uri).replace("azureml://", "https://", 1).rstrip("/?")

    @cached_property
    def rest(self) -> Rest:
        """Return plain REST for what azure-ai-ml does not offer: run history, MLflow, Azure Monitor."""
        return Rest(self._credential, self.resource_manager_url)

    def _connected(self, name: str, *ids: str, **kwargs: str) -> MLClient:
        with self._connecting:
            if name not in self._made:
                silence()
                from azure.ai.ml import MLClient

                quiet = {"show_progress": False, "enable_telemetry": False}
                self._made[name] = MLClient(self._credential, *ids, **kwargs, **quiet, **OPTIONS)
            return self._made[name]


class Rest:
    """JSON over HTTPS with the bot's token, the SDK's retries and the SDK's errors."""

    def __init__(self, credential: TokenCredential, resource_manager_url: str) -> None:
        policies = [
            RequestIdPolicy(),
            HeadersPolicy(),
            UserAgentPolicy("finetune-bot"),
            RetryPolicy(**OPTIONS),
            BearerTokenCredentialPolicy(credential, f"{resource_manager_url}/.default"),
        ]
        self._client: Any = ARMPipelineClient(resource_manager_url, policies=policies)

    def get(self, url: str, **query: str | int) -> Any:
        """Return the JSON at `url`, absolute or below Resource Manager's; raises the SDK's `HttpResponseError`."""
        request = HttpRequest("GET", self._client.format_url(url), params=query or None)
        response = self._client.send_request(request, **_TIMEOUTS)
        response.raise_for_status()
        return response.json()


_TIMEOUTS = {name: OPTIONS[name] for name in ("connection_timeout", "read_timeout")}
