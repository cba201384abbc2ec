"""Online endpoints and deployments as Azure ML writes them (recorded, api-version 2022-02-01-preview)."""

from typing import Any

from core.local_azure.server.state_endpoints import (
    Deployment,
    DeploymentProperties,
    Endpoint,
    Probe,
    ProvisioningState,
    RequestSettings,
)
from core.local_azure.server.wire import system_data
from core.local_azure.server.workspace import Workspace

Json = dict[str, Any]
_TYPE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"


def endpoint_id(name: str, workspace: Workspace) -> str:
    """Return the ARM id of an endpoint."""
    return f"{workspace.resource_id}/onlineEndpoints/{name}"


def deployment_id(endpoint: str, name: str, workspace: Workspace) -> str:
    """Return the ARM id of a deployment."""
    return f"{endpoint_id(endpoint, workspace)}/deployments/{name}"


def scoring_uri(name: str, workspace: Workspace) -> str:
    """Return where an endpoint is called."""
    return f"{workspace.url}/endpoints/{name}/score"


def operation_uri(operation: str, workspace: Workspace) -> str:
    """Return where an operation is polled."""
    path = f"{workspace.location_id}/mfeOperationsStatus/{operation}"
    return f"{workspace.url}{path}?api-version=2022-02-01-preview"


def endpoint_json(endpoint: Endpoint, workspace: Workspace) -> Json:
    """Return an endpoint; it has no addresses before it first succeeded, and its old traffic while it is updated."""
    identifier, wanted = endpoint_id(endpoint.name, workspace), endpoint.wanted
    uri = scoring_uri(endpoint.name, workspace) if endpoint.ready else None
    return {
        "id": identifier,
        "name": endpoint.name,
        "type": _TYPE,
        "properties": {
            "description": wanted.description,
            "properties": {
                **(wanted.properties or {}),
                "azureml.onlineendpointid": identifier.lower(),
                "AzureAsyncOperationUri": operation_uri(endpoint.operation, workspace),
            },
            "scoringUri": uri,
            "swaggerUri": uri.removesuffix("/score") + "/swagger.json" if uri else None,
            "authMode": wanted.auth_mode,
            "provisioningState": endpoint.state.value,
            "compute": None,
            "traffic": endpoint.traffic,
            "mirrorTraffic": endpoint.mirror_traffic,
            "publicNetworkAccess": wanted.public_network_access or "Enabled",
        },
        "systemData": system_data(endpoint.created, endpoint.modified),
        "tags": endpoint.tags,
        "location": workspace.location,
        "kind": "Managed",
        "identity": {
            "type": "SystemAssigned",
            "principalId": workspace.workspace_id,
            "tenantId": workspace.tenant,
        },
    }


def deployment_json(deployment: Deployment, workspace: Workspace) -> Json:
    """Return a deployment; defaults of probes and timeouts show once its first operation is over."""
    wanted = deployment.wanted
    settled = deployment.state is not ProvisioningState.UPDATING or deployment.serving is not None
    settings = wanted.request_settings or RequestSettings(request_timeout="PT5S" if settled else "PT0S")
    default = Probe() if settled else None
    return {
        "id": deployment_id(deployment.endpoint, deployment.name, workspace),
        "name": deployment.name,
        "type": f"{_TYPE}/deployments",
        "properties": {
            "description": wanted.description,
            "properties": {
                **(wanted.properties or {}),
                "AzureAsyncOperationUri": operation_uri(deployment.operation, workspace),
            },
            "codeConfiguration": wanted.code_configuration,
            "environmentId": wanted.environment_id,
            "environmentVariables": wanted.environment_variables or {},
            "scaleSettings": {"scaleType": wanted.scale_settings.scale_type if wanted.scale_settings else "Default"},
            "requestSettings": {
                "maxQueueWait": settings.max_queue_wait,
                "requestTimeout": settings.request_timeout,
                "maxConcurrentRequestsPerInstance": settings.max_concurrent_requests_per_instance,
            },
            "modelMountPath": wanted.model_mount_path,
            "appInsightsEnabled": bool(wanted.app_insights_enabled),
            "livenessProbe": _probe(wanted.liveness_probe or default),
            "readinessProbe": _probe(wanted.readiness_probe or default),
            "provisioningState": deployment.state.value,
            **_shape(wanted),
        },
        "systemData": system_data(deployment.created, deployment.modified),
        "tags": deployment.tags,
        "location": workspace.location,
        "kind": "Managed",
        "sku": {"name": deployment.sku.name, "tier": "Standard", "capacity": deployment.sku.capacity},
    }


def logs_text(deployment: Deployment, mounted: bool, lines: list[str]) -> str:
    """Return the logs of a deployment's container, below the state of its parts."""
    started = {ProvisioningState.SUCCEEDED: "Succeeded", ProvisioningState.FAILED: "Failed"}
    return "\n".join(
        (
            "Instance status:",
            "SystemSetup: Succeeded",
            "UserContainerImagePull: Succeeded",
            f"ModelDownload: {'Succeeded' if mounted else 'InProgress'}",
            f"UserContainerStart: {started.get(deployment.state, 'InProgress')}",
            "",
            "Container logs:",
            *lines,
            "",
        )
    )


def swagger_json(name: str) -> Json:
    """Return the interface of an endpoint as its inference server describes it."""
    answer = {"description": "Successful execution", "schema": {"type": "object"}}
    body = {"name": "serviceInputPayload", "in": "body", "schema": {"type": "object"}}
    operation = {"operationId": "RunMLService", "consumes": ["application/json"], "produces": ["application/json"]}
    post = {**operation, "parameters": [body], "responses": {"200": answer}}
    return {
        "swagger": "2.0",
        "info": {"title": name, "version": "1.0"},
        "schemes": ["https"],
        "securityDefinitions": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}},
        "paths": {"/score": {"post": post}, "/v1/chat/completions": {"post": post}},
    }


def _shape(wanted: DeploymentProperties) -> Json:
    return {
        "instanceType": wanted.instance_type,
        "model": wanted.model,
        "privateNetworkConnection": bool(wanted.private_network_connection),
        "egressPublicNetworkAccess": wanted.egress_public_network_access or "Enabled",
        "endpointComputeType": wanted.endpoint_compute_type,
    }


def _probe(probe: Probe | None) -> Json | None:
    if probe is None:
        return None
    return {
        "failureThreshold": probe.failure_threshold,
        "successThreshold": probe.success_threshold,
        "timeout": probe.timeout,
        "period": probe.period,
        "initialDelay": probe.initial_delay,
    }
