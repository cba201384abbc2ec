"""The registry azureml: its foundation models and its pipeline component, from the package's data files."""

from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from core.local_azure.server.wire import mfe_time
from core.local_azure.server.workspace import REGISTRY


class FoundationModel(msgspec.Struct, frozen=True):
    """One version of a model of the registry; the values of `flavors` are the flavors' data."""

    name: str
    version: str
    created: datetime
    description: str
    tags: dict[str, str]
    properties: dict[str, str]
    flavors: dict[str, dict[str, str]]
    system_metadata: dict[str, Any] = {}
    archived: bool = False

    @property
    def id(self) -> str:
        """Return the asset id."""
        return f"azureml://registries/{REGISTRY}/models/{self.name}/versions/{self.version}"


@cache
def foundation_models() -> tuple[FoundationModel, ...]:
    """Return the models of the registry."""
    return msgspec.convert(_data("registry_models.yaml"), tuple[FoundationModel, ...])


def find_model(name: str) -> FoundationModel | None:
    """Return the model called `name`, in its only version, or None."""
    return next((model for model in foundation_models() if model.name == name), None)


@cache
def pipeline_component() -> dict[str, Any]:
    """Return the specification of `chat_completion_pipeline` with every scalar as text."""
    specification = _data("chat_completion_pipeline.yaml")
    assert isinstance(specification, dict)
    return specification


def component_id() -> str:
    """Return the asset id of `chat_completion_pipeline`."""
    return _component_id(pipeline_component()["name"], pipeline_component()["version"])


def model_json(model: FoundationModel) -> dict[str, Any]:
    """Return a model version as the registry's front end answers it."""
    return {
        "id": model.id,
        "name": model.version,
        "type": "Microsoft.MachineLearningServices/registries/models/versions",
        "properties": {
            "description": model.description,
            "tags": model.tags,
            "properties": model.properties,
            "systemMetadata": model.system_metadata,
            "isArchived": model.archived,
            "isAnonymous": False,
            "flavors": {name: {"data": data} for name, data in model.flavors.items()},
            "modelType": "mlflow_model",
            "modelUri": model.id,
            "jobName": None,
            "stage": None,
            "provisioningState": "Succeeded",
        },
        "systemData": _system_data(model.created),
    }


def model_container_json(model: FoundationModel) -> dict[str, Any]:
    """Return the container of a model's versions."""
    return {
        "id": model.id.rpartition("/versions/")[0],
        "name": model.name,
        "type": "Microsoft.MachineLearningServices/registries/models",
        "properties": {
            "description": None,
            "tags": model.tags,
            "properties": {},
            "isArchived": model.archived,
            "latestVersion": model.version,
            "nextVersion": str(int(model.version) + 1),
        },
        "systemData": _system_data(model.created),
    }


def component_json(created: datetime) -> dict[str, Any]:
    """Return the pipeline component as the registry's front end answers it; its child jobs by full asset id."""
    specification = pipeline_component()
    jobs = {}
    for name, job in specification["jobs"].items():
        _, component, version = job["component"].split(":")
        jobs[name] = job | {"component": _component_id(component, version)}
    return {
        "id": component_id(),
        "name": specification["version"],
        "type": "Microsoft.MachineLearningServices/registries/components/versions",
        "properties": {
            "description": specification["description"],
            "tags": {},
            "properties": {},
            "isArchived": False,
            "isAnonymous": False,
            "componentSpec": specification | {"jobs": jobs},
        },
        "systemData": _system_data(created),
    }


def component_container_json(created: datetime) -> dict[str, Any]:
    """Return the container of the component's versions."""
    return {
        "id": component_id().rpartition("/versions/")[0],
        "name": pipeline_component()["name"],
        "type": "Microsoft.MachineLearningServices/registries/components",
        "properties": {
            "description": None,
            "tags": {},
            "properties": {},
            "isArchived": False,
            "latestVersion": pipeline_component()["version"],
            "nextVersion": None,
        },
        "systemData": _system_data(created),
    }


def _component_id(name: str, version: str) -> str:
    return f"azureml://registries/{REGISTRY}/components/{name}/versions/{version}"


def _system_data(created: datetime) -> dict[str, str]:
    when = mfe_time(created)
    made = {"createdAt": when, "createdBy": "Microsoft", "createdByType": "User"}
    return made | {"lastModifiedAt": when, "lastModifiedBy": "Microsoft", "lastModifiedByType": "User"}


def _data(name: str) -> Any:
    return yaml.safe_load((files(__package__) / "data" / name).read_text(encoding="utf-8"))
