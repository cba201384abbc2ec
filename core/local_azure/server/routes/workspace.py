"""The workspace itself, and where its registry is."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server.addresses import WORKSPACE, route
from core.local_azure.server.errors import registry_refused
from core.local_azure.server.services import services
from core.local_azure.server.wire import arm_time
from core.local_azure.server.workspace import REGISTRY, Workspace


def workspace_json(workspace: Workspace) -> dict[str, object]:
    """Return the workspace with the keys of api-version 2023-04-01-preview, as recorded."""
    group = f"/subscriptions/{workspace.subscription}/resourceGroups/{workspace.resource_group}/providers"
    created = arm_time(workspace.created)
    return {
        "id": workspace.resource_id,
        "name": workspace.name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": workspace.location,
        "tags": {},
        "etag": None,
        "properties": {
            "friendlyName": workspace.name,
            "description": "An Azure ML workspace on this machine.",
            "storageAccount": f"{group}/Microsoft.Storage/storageAccounts/localstore",
            "keyVault": f"{group}/Microsoft.Keyvault/vaults/local",
            "applicationInsights": f"{group}/Microsoft.insights/components/local",
            "containerRegistry": None,
            "hbiWorkspace": False,
            "tenantId": workspace.tenant,
            "imageBuildCompute": None,
            "provisioningState": "Succeeded",
            "managedNetwork": {"isolationMode": "Disabled"},
            "v1LegacyMode": False,
            "softDeleteEnabled": False,
            "creationTime": created,
            "notebookInfo": None,
            "storageHnsEnabled": False,
            "workspaceId": workspace.workspace_id,
            "linkedModelInventoryArmId": None,
            "privateLinkCount": 0,
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"{workspace.url}/discovery",
            "mlFlowTrackingUri": workspace.tracking_uri,
            "sdkTelemetryAppInsightsKey": None,
            "sasGetterUri": "",
            "enableDataIsolation": False,
        },
        "identity": {"type": "SystemAssigned", "principalId": workspace.workspace_id, "tenantId": workspace.tenant},
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "systemData": {
            "createdAt": created,
            "createdBy": "local",
            "createdByType": "User",
            "lastModifiedAt": created,
            "lastModifiedBy": "local",
            "lastModifiedByType": "User",
        },
    }


async def get_workspace(request: Request) -> Response:
    """GET the workspace; the gate has refused other names."""
    return JSONResponse(workspace_json(services(request).workspace))


async def list_workspaces(request: Request) -> Response:
    """GET workspaces of the resource group or the subscription."""
    return JSONResponse({"value": [workspace_json(services(request).workspace)]})


async def registry_discovery(request: Request) -> Response:
    """GET a registry's discovery document; other registries than azureml are refused as recorded, with 401."""
    workspace, name = services(request).workspace, request.path_params["registry"]
    if name.lower() != REGISTRY:
        raise registry_refused(name)
    return JSONResponse(
        {
            "registryId": workspace.tenant,
            "registryName": REGISTRY,
            "tenantId": workspace.tenant,
            "primaryRegion": workspace.location,
            "regions": [workspace.location],
            "subscriptionId": workspace.subscription,
            "resourceGroup": f"{REGISTRY}-rg",
            "workspaceName": None,
            "primaryRegionResourceProviderUri": f"{workspace.url}/",
            "registryFqdns": {workspace.location: {"uri": workspace.url}},
        }
    )


routes = [
    route("GET", WORKSPACE, get_workspace),
    route("GET", WORKSPACE.removesuffix("/{workspace}"), list_workspaces),
    route("GET", "/registrymanagement/v1.0/registries/{registry}/discovery", registry_discovery),
]
