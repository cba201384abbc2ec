"""Registered models: versions by name, and where their files are."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from core.local_azure.server import datastores, state_blobs, state_jobs
from core.local_azure.server.datastores import DatastorePath
from core.local_azure.server.errors import MfeError, job_not_found
from core.local_azure.server.services import Services
from core.local_azure.server.state_jobs import Job

KIND = "model"
CONTAINER_KIND = "model container"


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model; the values of `flavors` are the flavors' data as the files' MLmodel has them."""

    name: str
    version: str
    uri: str
    type: str
    created: datetime
    modified: datetime
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    flavors: dict[str, dict[str, str]] = {}
    job: str | None = None
    stage: str | None = None
    archived: bool = False
    anonymous: bool = False


class ModelContainer(msgspec.Struct, frozen=True, kw_only=True):
    """What all versions of a model share."""

    name: str
    created: datetime
    modified: datetime
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    archived: bool = False


def find(services: Services, name: str, version: str) -> ModelVersion | None:
    """Return a version of a model, or None."""
    return services.store.get(KIND, f"{name}:{version}", ModelVersion)


def find_container(services: Services, name: str) -> ModelContainer | None:
    """Return the container of a model, or None."""
    return services.store.get(CONTAINER_KIND, name, ModelContainer)


def containers(services: Services) -> list[ModelContainer]:
    """Return the containers of all models, oldest first."""
    return services.store.list(CONTAINER_KIND, ModelContainer)


def versions(services: Services, name: str) -> list[ModelVersion]:
    """Return the versions of a model, newest first."""
    found = [model for model in services.store.list(KIND, ModelVersion) if model.name == name]
    return sorted(found, key=lambda model: model.created, reverse=True)


def next_version(found: list[ModelVersion]) -> str:
    """Return the version behind the highest number among `found`."""
    numbers = [int(model.version) for model in found if model.version.isdecimal()]
    return str(max(numbers, default=0) + 1)


def save(services: Services, model: ModelVersion) -> bool:
    """Store a version, and its container with the first; return whether the version is new.

    Raises `MfeError` 400 when an existing version's files would change: the text is the one azure-ai-ml looks for.
    """
    with services.store.transaction():
        former = find(services, model.name, model.version)
        if former and former.uri != model.uri:
            raise MfeError(400, "UserError", "Asset paths cannot be updated.", inner=("BadArgument", "ArgumentInvalid"))
        if former:
            model = msgspec.structs.replace(model, created=former.created, job=former.job, flavors=former.flavors)
        services.store.put(KIND, f"{model.name}:{model.version}", model)
        if find_container(services, model.name) is None:
            container = ModelContainer(name=model.name, created=model.created, modified=model.created)
            save_container(services, container)
    return former is None


def save_container(services: Services, container: ModelContainer) -> None:
    """Store what all versions of a model share."""
    services.store.put(CONTAINER_KIND, container.name, container)


def delete(services: Services, name: str, version: str) -> bool:
    """Remove a version, and with the last one the container; return whether there was one."""
    with services.store.transaction():
        existed = services.store.delete(KIND, f"{name}:{version}")
        if existed and not versions(services, name):
            services.store.delete(CONTAINER_KIND, name)
    return existed


def resolve(services: Services, uri: str) -> tuple[DatastorePath, str | None]:
    """Return where the files behind a model URI are, and of which job they are an output.

    Raises `MfeError` 400 or 404 when the URI, its job or its output does not exist or is not written yet.
    """
    if found := re.fullmatch(r"azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths/(.*))?", uri):
        job, output, path = found[1], found[2], (found[3] or "").strip("/")
        base = _output(services, job, output)
        return DatastorePath(base.datastore, f"{base.path}/{path}".rstrip("/")), job
    place = datastores.parse(uri)
    if place is None:
        raise _invalid(f"The model path {uri} is not a datastore or job output path of this workspace.")
    return place, None


def folder(services: Services, place: DatastorePath) -> Path:
    """Return the local folder or file of `place`; raises `MfeError` 400 when there is none."""
    path = state_blobs.locate(services, datastores.container(services.workspace, place.datastore), place.path)
    if not path.exists():
        raise _invalid(f"The path {place.path} does not exist in datastore {place.datastore}.")
    return path


def model_folder(services: Services, name: str, version: str) -> Path | None:
    """Return the local folder of a registered model, or None when there is no such version."""
    model = find(services, name, version)
    place = datastores.parse(model.uri) if model else None
    return folder(services, place) if place else None


def read_flavors(path: Path) -> dict[str, dict[str, str]]:
    """Return the flavors that the MLmodel file in `path` names, if any; raises `MfeError` 400 if it is broken."""
    described = path / "MLmodel"
    if not described.is_file():
        return {}
    try:
        document: Any = yaml.safe_load(described.read_text(encoding="utf-8"))
        flavors = document["flavors"].items()
        return {str(name): {str(key): str(value) for key, value in (data or {}).items()} for name, data in flavors}
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, UnicodeDecodeError):
        raise _invalid("The MLmodel file of the model is not valid.") from None


def _output(services: Services, name: str, output: str) -> DatastorePath:
    job = services.store.get(state_jobs.KIND, name, Job)
    if job is None:
        raise job_not_found(name)
    if output in ("default", "artifacts"):
        return DatastorePath(datastores.ARTIFACT_STORE, f"ExperimentRun/dcid.{name}")
    if output not in job.outputs:
        raise _invalid(f"The job {name} has no output {output}.")
    written = state_jobs.output_folder(services.store, services.blobs, services.workspace.container, name, output)
    if written is None:
        raise _invalid(f"The output {output} of job {name} is not available: the job is {job.status}.")
    return DatastorePath(datastores.BLOB_STORE, state_jobs.output_path(job, output))


def _invalid(message: str) -> MfeError:
    return MfeError(400, "UserError", message, inner=("BadArgument", "ArgumentInvalid"))
