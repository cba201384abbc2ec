"""Which model a person means when they deploy: a job's, a registered one, or a base model of the registry."""

from dataclasses import dataclass

from core.azure.types import FoundationModel
from core.errors import ConflictError, InputError, ModelError
from core.records.tables import Job
from core.services import Requester, Services


@dataclass(frozen=True)
class Deployable:
    """A model that can be deployed; `base` is None when nobody knows what it was made from."""

    name: str
    version: str
    id: str
    base: FoundationModel | None
    context_length: int | None
    job_id: str | None = None


def deployable(services: Services, requester: Requester, named: str) -> Deployable:
    """Return the model that `named` means: a job's id, `name[:version]` of a registered model, a base model's name.

    Empty: the requester's newest registered model. Raises InputError, ConflictError or ModelError.
    """
    if not named:
        return _of_job(services, _newest(services, requester))
    jobs = services.store.find(Job, Job.id == named, limit=1)
    if jobs:
        return _of_job(services, jobs[0])
    name, _, version = named.partition(":")
    conditions = [Job.model_name == name, Job.model_id != ""] + ([Job.model_version == version] if version else [])
    jobs = services.store.find(Job, *conditions, limit=1)
    if jobs:
        return _of_job(services, jobs[0])
    return (_registered(services, name, version) if version else None) or _base(services, name, version)


def _newest(services: Services, requester: Requester) -> Job:
    jobs = services.store.find(Job, Job.owner == requester.user, Job.model_id != "", limit=1)
    if not jobs:
        raise InputError(
            "No model is named, and you have none that is registered.",
            next="Name a job, a registered model, or a base model of the registry.",
            field="model",
        )
    return jobs[0]


def _of_job(services: Services, job: Job) -> Deployable:
    if not job.model_id:
        raise ConflictError(
            f"The job `{job.id}` has no registered model.",
            why=f"It is {job.state or 'not submitted yet'}.",
            next="`/ft-status` shows when it has one.",
        )
    base = _known_base(services, str(job.spec.get("model_name", "")), str(job.spec.get("model_version", "")))
    length = job.spec.get("context_length")
    return Deployable(job.model_name, job.model_version, job.model_id, base, length, job.id)


def _registered(services: Services, name: str, version: str) -> Deployable | None:
    found = services.azure.model(name, version)
    if found is None:
        return None
    base = _known_base(services, found.tags.get("base_model", ""), found.tags.get("base_model_version", ""))
    return Deployable(found.name, found.version, found.id, base, base.context_length if base is not None else None)


def _base(services: Services, name: str, version: str) -> Deployable:
    base = services.azure.foundation_model(name, version or None)
    return Deployable(base.name, base.version, base.id, base, base.context_length)


def _known_base(services: Services, name: str, version: str) -> FoundationModel | None:
    """Return the base model of a tuned one; None when the registry has it no more, which is no reason not to deploy."""
    try:
        return services.azure.foundation_model(name, version or None) if name else None
    except ModelError:
        return None
