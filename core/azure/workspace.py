"""The workspace as the rest of the bot sees it: everything that can be asked of Azure ML, in our own types.

It works against whatever the environment points the Azure SDK to. Every method raises `AzureRefused` or
`AzureUnavailable`; every `begin_*` returns at once, and every method may be repeated under the same names.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from core.azure import computes, endpoints, jobs, metrics, registry
from core.azure.clients import Clients
from core.azure.cloud import resource_manager_url
from core.azure.credential import sign_in
from core.azure.errors import calling
from core.azure.quiet import silence
from core.azure.types import (
    Component,
    Compute,
    DeploymentRequest,
    DeploymentSnapshot,
    EndpointSnapshot,
    FoundationModel,
    JobRequest,
    JobSnapshot,
    RegisteredModel,
    ScoringTarget,
    TrainingMetrics,
    Usage,
    VmSize,
    WorkspaceInfo,
)
from core.errors import ConfigurationError
from core.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def connect(settings: AzureSettings, *, interactive: bool | None = None) -> Workspace:
    """Sign in and return the workspace that `settings` name; without ids, that of the nearest `config.json`.

    `interactive` allows a browser sign-in, by default only at a terminal. Raises `ConfigurationError`.
    """
    base = resource_manager_url()
    credential = sign_in(base, sys.stdin.isatty() if interactive is None else interactive)
    ids = (settings.subscription_id, settings.resource_group, settings.ml_workspace)
    if not any(ids):
        ids = _ids_of_config_file(credential)
    missing = [
        name
        for name, value in zip(("subscription id", "resource group", "workspace name"), ids, strict=True)
        if not value
    ]
    if missing:
        raise ConfigurationError(
            f"The Azure ML workspace is not named: {' and '.join(missing)} missing.",
            next="Set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_ML_WORKSPACE, "
            "or put the workspace's config.json in the working folder.",
        )
    return Workspace(Clients(credential, base, *ids, settings.ml_registry))


def _ids_of_config_file(credential: TokenCredential) -> tuple[str, str, str]:
    silence()
    from azure.ai.ml import MLClient
    from azure.ai.ml.exceptions import ValidationException

    try:
        client = MLClient.from_config(credential)
    except ValidationException as error:
        raise ConfigurationError(
            "The Azure ML workspace is not named.",
            why="No settings name it and no config.json was found.",
            next="Set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_ML_WORKSPACE, "
            "or download config.json from the studio.",
        ) from error
    return str(client.subscription_id), str(client.resource_group_name), str(client.workspace_name)


class Workspace:
    """One Azure ML workspace and the registry its base models come from; safe to use from several threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def warm_up(self) -> threading.Thread:
        """Import the SDK (3 s) in the background, so that the first person to ask does not wait for it."""
        thread = threading.Thread(target=silence, name="azure-warm-up", daemon=True)
        thread.start()
        return thread

    def info(self) -> WorkspaceInfo:
        """Return the workspace's names and region."""
        clients = self._clients
        with calling(f"read the workspace {clients.workspace_name}"):
            location = str(clients.description.location)
        return WorkspaceInfo(clients.workspace_name, clients.subscription_id, clients.resource_group, location)

    def foundation_model(self, name: str, version: str | None = None) -> FoundationModel:
        """Return a base model of the registry, by default its latest version; raises `ModelError` when unknown."""
        return registry.foundation_model(self._clients, name, version)

    def component(self, name: str, version: str | None = None) -> Component:
        """Return a pipeline component of the registry with its inputs, by default its latest version."""
        return registry.component(self._clients, name, version)

    def compute(self, name: str) -> Compute | None:
        """Return a compute cluster; None when the workspace has none of this name."""
        return computes.compute(self._clients, name)

    def computes(self) -> tuple[Compute, ...]:
        """Return every compute cluster."""
        return computes.computes(self._clients)

    def begin_create_compute(self, compute: Compute) -> None:
        """Ask for a compute cluster; `state` and `errors` of `compute` do not matter."""
        computes.begin_create_compute(self._clients, compute)

    def vm_sizes(self) -> tuple[VmSize, ...]:
        """Return the VM sizes of the workspace's region."""
        return computes.vm_sizes(self._clients)

    def usages(self) -> tuple[Usage, ...]:
        """Return what of each quota of the region is used."""
        return computes.usages(self._clients)

    def submit(self, request: JobRequest) -> JobSnapshot:
        """Submit a pipeline job and upload its files; an existing job of this name is returned, not started again."""
        return jobs.submit(self._clients, request)

    def job(self, name: str) -> JobSnapshot | None:
        """Return a pipeline job with its stages in order; None when there is none."""
        return jobs.job(self._clients, name)

    def metrics(self, name: str) -> TrainingMetrics:
        """Return what the fine-tune stage of the job `name` has logged so far."""
        return metrics.training_metrics(self._clients, name)

    def begin_cancel(self, name: str) -> None:
        """Ask Azure to cancel a job; a job that has already ended is no error."""
        jobs.begin_cancel(self._clients, name)

    def register_model(
        self, name: str, version: str, job_name: str, tags: Mapping[str, str], description: str
    ) -> RegisteredModel:
        """Register the model that a job trained; an existing version is returned."""
        return jobs.register_model(self._clients, name, version, job_name, dict(tags), description)

    def model(self, name: str, version: str) -> RegisteredModel | None:
        """Return a registered model; None when there is none."""
        return jobs.model(self._clients, name, version)

    def begin_create_endpoint(self, name: str, tags: Mapping[str, str], description: str) -> None:
        """Ask for a managed online endpoint with key authentication."""
        endpoints.begin_create_endpoint(self._clients, name, tags, description)

    def endpoint(self, name: str) -> EndpointSnapshot | None:
        """Return an endpoint; None when there is none."""
        return endpoints.endpoint(self._clients, name)

    def endpoints(self) -> tuple[EndpointSnapshot, ...]:
        """Return every online endpoint; here `traffic` lists only deployments that get requests."""
        return endpoints.endpoints(self._clients)

    def begin_create_deployment(self, request: DeploymentRequest) -> None:
        """Ask for a deployment of a registered model."""
        endpoints.begin_create_deployment(self._clients, request)

    def deployment(self, endpoint: str, name: str) -> DeploymentSnapshot | None:
        """Return a deployment, with Azure's error if it failed; None when there is none."""
        return endpoints.deployment(self._clients, endpoint, name)

    def deployment_logs(self, endpoint: str, name: str, lines: int = 50) -> tuple[str, ...]:
        """Return the last lines of a deployment's log."""
        return endpoints.deployment_logs(self._clients, endpoint, name, lines)

    def begin_set_traffic(self, endpoint: str, deployment: str, percent: int = 100) -> None:
        """Send `percent` of an endpoint's requests to one deployment and none to the others."""
        endpoints.begin_set_traffic(self._clients, endpoint, deployment, percent)

    def tag_endpoint(self, name: str, tags: Mapping[str, str]) -> None:
        """Add tags to an endpoint's own."""
        endpoints.tag_endpoint(self._clients, name, tags)

    def begin_delete_endpoint(self, name: str) -> None:
        """Ask Azure to delete an endpoint and its deployments; one that is gone is no error."""
        endpoints.begin_delete_endpoint(self._clients, name)

    def scoring_target(self, endpoint: str) -> ScoringTarget:
        """Return where and with what key an endpoint is asked."""
        return endpoints.scoring_target(self._clients, endpoint)

    def requests_since(self, endpoint: str, since: datetime, until: datetime) -> int | None:
        """Return how many requests an endpoint received in between; None when Azure Monitor does not say."""
        return metrics.requests_since(self._clients, endpoint, since, until)
