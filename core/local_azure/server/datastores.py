"""The workspace's datastores, and the addresses of what lies in them."""

import re
from dataclasses import dataclass
from typing import Any

from core.local_azure.server.errors import MfeError, datastore_not_found
from core.local_azure.server.wire import mfe_time
from core.local_azure.server.workspace import ARTIFACTS, STORAGE_SUFFIX, Workspace

BLOB_STORE = "workspaceblobstore"
ARTIFACT_STORE = "workspaceartifactstore"


@dataclass(frozen=True)
class DatastorePath:
    """A folder or file in a datastore."""

    datastore: str
    path: str


def containers(workspace: Workspace) -> dict[str, str]:
    """Return the container of each datastore."""
    return {BLOB_STORE: workspace.container, ARTIFACT_STORE: ARTIFACTS}


def container(workspace: Workspace, datastore: str) -> str:
    """Return the container of a datastore; raises `MfeError` 404 for an unknown one."""
    found = containers(workspace).get(datastore)
    if found is None:
        raise datastore_not_found(datastore)
    return found


def parse(uri: str) -> DatastorePath | None:
    """Return what an azureml:// URI, short or with subscription and workspace, says of a datastore, or None."""
    found = re.fullmatch(r"azureml://(?:.+/)?datastores/([^/]+)/paths/(.*)", uri)
    return DatastorePath(found[1], found[2].strip("/")) if found else None


def full_uri(workspace: Workspace, place: DatastorePath) -> str:
    """Return the azureml:// URI of `place` with subscription and workspace, as Azure ML expands it."""
    return (
        f"azureml://subscriptions/{workspace.subscription}/resourceGroups/{workspace.resource_group}"
        f"/workspaces/{workspace.name}/datastores/{place.datastore}/paths/{place.path}"
    )


def datastore_json(workspace: Workspace, name: str) -> dict[str, Any]:
    """Return a datastore; raises `MfeError` 404 for an unknown one."""
    default = name == BLOB_STORE
    created = mfe_time(workspace.created)
    return {
        "id": f"{workspace.resource_id}/datastores/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "properties": {
            "description": None,
            "tags": None,
            "properties": None,
            "isDefault": default,
            # Azure's are AccountKey; the storage client cannot sign with a key for an account whose name is an address.
            "credentials": {"credentialsType": "Sas"},
            "datastoreType": "AzureBlob",
            "accountName": workspace.account,
            "containerName": container(workspace, name),
            "endpoint": STORAGE_SUFFIX,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity" if default else "None",
        },
        "systemData": {
            "createdAt": created,
            "createdBy": workspace.workspace_id,
            "createdByType": "Application",
            "lastModifiedAt": created,
            "lastModifiedBy": workspace.workspace_id,
            "lastModifiedByType": "Application",
        },
    }


def read_only(name: str) -> MfeError:
    """Return the error of a change to the datastores, which this workspace does not do (the text is ours)."""
    return MfeError(403, "UserError", f"The datastores of a local workspace cannot be changed: {name}.")
