"""Pipeline jobs: submitted once under our own name, read with their stages, cancelled; models registered from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError

from core.azure import history
from core.azure.clients import word
from core.azure.errors import calling, is_not_found
from core.azure.registry import component_entity
from core.azure.types import JobRequest, JobSnapshot, RegisteredModel

if TYPE_CHECKING:
    from core.azure.clients import Clients

OUTPUT = "trained_model"
"""The pipeline output that a model is registered from."""

_COMPONENT_ID = re.compile(r"azureml://registries/[^/]+/components/(?P<name>[^/]+)/versions/(?P<version>[^/]+)$")


def submit(clients: Clients, request: JobRequest) -> JobSnapshot:
    """Submit a pipeline job; one of this name that exists already is returned as it is, never started again."""
    existing = job(clients, request.name)
    if existing is not None:
        return existing
    with calling(f"submit the job {request.name}"):
        created = clients.workspace.jobs.create_or_update(_pipeline(clients, request))
    return JobSnapshot(str(created.name), word(created.status), studio_url=str(created.studio_url or ""))


def job(clients: Clients, name: str) -> JobSnapshot | None:
    """Return the job `name` with its stages, and why it failed if it did; None when there is none."""
    with calling(f"read the job {name}"):
        try:
            found = clients.workspace.jobs.get(name)
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        status = word(found.status)
        stages = history.stages(clients, name)
        failed = history.failure(clients, name, stages) if status == "Failed" else None
    return JobSnapshot(name, status, stages, str(found.studio_url or ""), failed)


def begin_cancel(clients: Clients, name: str) -> None:
    """Ask Azure to cancel the job `name`; one that has already ended is left as it is."""
    with calling(f"cancel the job {name}"):
        try:
            clients.workspace.jobs.begin_cancel(name)
        except HttpResponseError as error:
            if error.status_code != 400 or "terminal status" not in str(error):
                raise


def register_model(
    clients: Clients, name: str, version: str, job_name: str, tags: dict[str, str], description: str
) -> RegisteredModel:
    """Register the trained model of `job_name`; a version that exists already is returned as it is."""
    existing = model(clients, name, version)
    if existing is not None:
        return existing
    with calling(f"register the model {name} version {version}"):
        from azure.ai.ml.constants import AssetTypes
        from azure.ai.ml.entities import Model

        created = clients.workspace.models.create_or_update(
            Model(
                name=name,
                version=version,
                path=f"azureml://jobs/{job_name}/outputs/{OUTPUT}",
                type=AssetTypes.MLFLOW_MODEL,
                tags=tags,
                description=description,
            )
        )
    return _model(created)


def model(clients: Clients, name: str, version: str) -> RegisteredModel | None:
    """Return the workspace's model `name` in `version`; None when there is none."""
    with calling(f"read the model {name} version {version}"):
        try:
            return _model(clients.workspace.models.get(name, version))
        except Exception as error:
            if is_not_found(error):
                return None
            raise


def _pipeline(clients: Clients, request: JobRequest) -> Any:
    from azure.ai.ml import Input
    from azure.ai.ml.constants import AssetTypes
    from azure.ai.ml.dsl import pipeline

    named = _COMPONENT_ID.match(request.component_id)
    if named is None:
        raise ValueError(f"Not a registry component's id: {request.component_id}")
    component = component_entity(clients, named["name"], named["version"])
    files = {"train": request.train_file, "validation": request.validation_file, "test": request.test_file}
    stages = ("model_import", "preprocess", "finetune", "model_evaluation")
    inputs: dict[str, Any] = {
        **request.parameters,
        "mlflow_model_path": request.model_id,
        **{f"compute_{stage}": request.compute for stage in stages},
        **{f"{split}_file_path": Input(type=AssetTypes.URI_FILE, path=str(file)) for split, file in files.items()},
    }

    def create_pipeline() -> dict[str, Any]:
        chat_completion = component(**inputs)
        return {OUTPUT: chat_completion.outputs.mlflow_model_folder}

    with clients.building:
        built = pipeline(display_name=request.display_name)(create_pipeline)()
    built.name = request.name
    built.display_name = request.display_name
    built.experiment_name = request.experiment_name
    built.tags = dict(request.tags)
    built.settings.force_rerun = True
    built.settings.continue_on_step_failure = False
    return built


def _model(found: Any) -> RegisteredModel:
    return RegisteredModel(str(found.name), str(found.version), str(found.id), dict(found.tags or {}))
