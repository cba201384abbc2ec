"""Which workspace this server is: its names, its address and its secrets, kept in its folder."""

import secrets
import uuid
from datetime import datetime
from pathlib import Path

import msgspec

from core.clock import Clock
from core.mishaps import damaged

REGISTRY = "azureml"
STORAGE_SUFFIX = "local"
ARTIFACTS = "azureml"
"""The container of `workspaceartifactstore`."""


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """The one workspace of this machine; stored resources contain its URL, so its port never changes."""

    subscription: str
    tenant: str
    workspace_id: str
    port: int
    created: datetime
    identity_header: str
    signing_key: str
    control_token: str
    resource_group: str = "local"
    name: str = "local"
    location: str = "local"

    @property
    def url(self) -> str:
        """Return the server's URL without a trailing slash."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def resource_id(self) -> str:
        """Return the workspace's ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )

    @property
    def location_id(self) -> str:
        """Return the ARM id of the workspace's location, under which operations, sizes and usages live."""
        return (
            f"/subscriptions/{self.subscription}/providers/Microsoft.MachineLearningServices/locations/{self.location}"
        )

    @property
    def cloud(self) -> str:
        """Return the cloud's name, one for each port: azure-ai-ml keeps a cloud's addresses by its name."""
        return f"AzureLocal-{self.port}"

    @property
    def account(self) -> str:
        """Return the storage account's name, of which azure-ai-ml makes ``https://{account}.blob.local``."""
        return f"127.0.0.1:{self.port}/blob/localstore"

    @property
    def blob_url(self) -> str:
        """Return the URL under which each container is a folder."""
        return f"https://{self.account}.blob.{STORAGE_SUFFIX}"

    @property
    def container(self) -> str:
        """Return the name of the blob container of `workspaceblobstore`."""
        return f"azureml-blobstore-{self.workspace_id}"

    @property
    def tracking_uri(self) -> str:
        """Return the MLflow tracking URI as the workspace tells it; over HTTP its scheme is https."""
        return f"azureml://127.0.0.1:{self.port}/mlflow/v1.0{self.resource_id}"


def new_workspace(port: int, clock: Clock) -> Workspace:
    """Return a workspace with fresh ids and secrets."""
    return Workspace(
        subscription=str(uuid.uuid4()),
        tenant=str(uuid.uuid4()),
        workspace_id=str(uuid.uuid4()),
        port=port,
        created=clock(),
        identity_header=secrets.token_urlsafe(24),
        signing_key=secrets.token_hex(32),
        control_token=secrets.token_urlsafe(24),
    )


def load_workspace(folder: Path) -> Workspace | None:
    """Return the workspace kept in `folder`, or None when there is none yet.

    Raises ConfigurationError when its file is damaged.
    """
    path = folder / "workspace.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Workspace) if path.exists() else None
    except msgspec.MsgspecError as error:
        raise damaged(path, str(error)) from error


def save_workspace(folder: Path, workspace: Workspace) -> None:
    """Keep `workspace` in `folder`, readable by its owner only."""
    path = folder / "workspace.json"
    # Whole or not at all, so that a disk that fills up leaves no half of it.
    written = path.with_suffix(".new")
    written.touch(mode=0o600)
    written.write_bytes(msgspec.json.format(msgspec.json.encode(workspace)))
    written.replace(path)
