"""Makes a job of what was submitted: its component from the registry, its inputs where they lie on this machine."""

import re
import uuid
from pathlib import Path

import msgspec

from core.local_azure.server import datastores, registry, state_blobs, state_computes
from core.local_azure.server.errors import MfeError, asset_not_found
from core.local_azure.server.pipeline import Component, Pipeline, computes, invalid_pipeline, read_pipeline, the_node
from core.local_azure.server.services import Services
from core.local_azure.server.state_jobs import KIND, Job, JobRequest, JobStatus, StageRun
from core.local_azure.server.workspace import REGISTRY
from core.local_azure.work import Stage

SERVERLESS = "serverless"

_REGISTRY_MODEL = re.compile(r"azureml://registries/([^/]+)/models/([^/]+)/versions/([^/]+)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


def new_job(services: Services, name: str, request: JobRequest) -> Job:
    """Return a job, Preparing, for `request`.

    Raises `MfeError` 400 or 404 in Azure ML's form for whatever is wrong with it.
    """
    if not _NAME.fullmatch(name):
        raise invalid_pipeline(f"The job name {name} is invalid.", "InvalidJobName")
    _, node = the_node(request)
    pipeline = read_pipeline(request, _component(node.component_id))
    now = services.clock()
    inputs = {key: _local(services, key, value, pipeline) for key, value in pipeline.inputs.items()}
    return Job(
        name=name,
        number=1 + max((job.number for job in services.store.list(KIND, Job)), default=0),
        request=request,
        compute=_compute(services, request, pipeline),
        node=pipeline.node,
        inputs=inputs,
        outputs=pipeline.outputs,
        status=JobStatus.PREPARING,
        created_at=now,
        modified_at=now,
        runs=tuple(
            StageRun(name=str(uuid.uuid4()), stage=stage, status=JobStatus.NOT_STARTED, created_at=now)
            for stage in Stage
        ),
    )


def local_path(services: Services, uri: str) -> Path:
    """Return where the blobs of a datastore path lie; raises `MfeError` for another uri or an unknown datastore."""
    place = datastores.parse(uri)
    if place is None:
        raise invalid_pipeline(f"The uri {uri} is not a path in a datastore of this workspace.", "InvalidUri")
    return state_blobs.locate(services, datastores.container(services.workspace, place.datastore), place.path)


def _component(identifier: str) -> Component:
    if identifier.lower() != registry.component_id().lower():
        raise MfeError(404, "UserError", f"Could not find asset with ID: {identifier}")
    return msgspec.convert(registry.pipeline_component(), Component, strict=False)


def _compute(services: Services, request: JobRequest, pipeline: Pipeline) -> str:
    """Return the compute on whose nodes the job runs, that of its fine-tuning; every compute it names must exist."""
    default = str(request.settings.get("default_compute") or request.compute_id or "").rpartition("/")[2]
    named = computes(pipeline)
    for compute in {default, *named.values()} - {"", SERVERLESS}:
        found = state_computes.find(services, compute)
        if found is None or found.state is not state_computes.ProvisioningState.SUCCEEDED:
            raise invalid_pipeline(
                f"Compute {compute} was not found in workspace {services.workspace.name}.", "ComputeNotFound"
            )
    finetune = named.get("compute_finetune", SERVERLESS)
    return default if finetune == SERVERLESS and default else finetune


def _local(services: Services, key: str, value: str, pipeline: Pipeline) -> str:
    if key not in pipeline.paths:
        return value
    if found := _REGISTRY_MODEL.fullmatch(value):
        model = registry.find_model(found[2])
        if found[1].lower() != REGISTRY or model is None or model.version != found[3]:
            raise asset_not_found(found[1], "models", found[2], found[3])
        return model.id
    return str(local_path(services, value))
