"""Registered models as Azure ML's JSON (api-version 2023-04-01-preview, as recorded)."""

from typing import Any

import msgspec

from core.local_azure.server.state_models import ModelContainer, ModelVersion, next_version
from core.local_azure.server.wire import mfe_time
from core.local_azure.server.workspace import Workspace


class ModelProperties(msgspec.Struct, rename="camel"):
    """`properties` of a model version as a client sends it."""

    model_uri: str | None = None
    model_type: str = "custom_model"
    description: str | None = None
    tags: dict[str, str] | None = None
    properties: dict[str, str] | None = None
    stage: str | None = None
    is_archived: bool = False
    is_anonymous: bool = False


class ModelBody(msgspec.Struct):
    """A model version or a model container as a client sends it."""

    properties: ModelProperties


def model_json(model: ModelVersion, workspace: Workspace) -> dict[str, Any]:
    """Return a version of a model."""
    return {
        "id": f"{workspace.resource_id}/models/{model.name}/versions/{model.version}",
        "name": model.version,
        "type": "Microsoft.MachineLearningServices/workspaces/models/versions",
        "properties": {
            "description": model.description,
            "tags": model.tags,
            "properties": model.properties,
            "isArchived": model.archived,
            "isAnonymous": model.anonymous,
            "autoDeleteSetting": None,
            "flavors": {name: {"data": data} for name, data in model.flavors.items()},
            "modelType": model.type,
            "modelUri": model.uri,
            "jobName": model.job,
            "provisioningState": "Succeeded",
            "stage": model.stage,
            "intellectualProperty": None,
        },
        "systemData": _system_data(model),
    }


def container_json(container: ModelContainer, versions: list[ModelVersion], workspace: Workspace) -> dict[str, Any]:
    """Return the container of `versions`, which are newest first."""
    return {
        "id": f"{workspace.resource_id}/models/{container.name}",
        "name": container.name,
        "type": "Microsoft.MachineLearningServices/workspaces/models",
        "properties": {
            "description": container.description,
            "tags": container.tags,
            "properties": container.properties,
            "isArchived": container.archived,
            "latestVersion": versions[0].version if versions else None,
            "nextVersion": next_version(versions),
        },
        "systemData": _system_data(container),
    }


def _system_data(made: ModelVersion | ModelContainer) -> dict[str, str]:
    created = {"createdAt": mfe_time(made.created), "createdBy": "local", "createdByType": "User"}
    modified = {"lastModifiedAt": mfe_time(made.modified), "lastModifiedBy": "local", "lastModifiedByType": "User"}
    return created | modified
