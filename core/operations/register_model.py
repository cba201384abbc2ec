"""Under what name, version and lineage a finished job's model is registered; pure, the same for every repetition."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.operations.plan_finetune import FinetunePlan
from core.operations.stored import from_stored
from core.records.tables import Job

# Azure Resource Manager: at most 50 tags of at most 256 characters.
_MOST_TAGS = 50
_LONGEST_TAG = 256
_LONGEST_NAME = 128
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Registration:
    """A model version to register; the tags say what it was made from."""

    name: str
    version: str
    tags: Mapping[str, str]
    description: str


def registration(job: Job) -> Registration:
    """Return what `job`'s model is registered as; a repetition gives the same, so that it is registered once."""
    spec = job_spec(job)
    # A numeric version, as the walkthrough's timestamp, but the same for every repetition.
    version = str(int(job.created_at.timestamp()))
    description = f"{spec.model_name} {spec.model_version} fine-tuned on {spec.dataset_name} by job {job.id}"
    return Registration(model_name(spec.model_name, spec.dataset_name), version, lineage(job, spec), description)


def job_spec(job: Job) -> FinetunePlan:
    """Return the plan that the job was made from."""
    return from_stored(job.spec, FinetunePlan)


def model_name(model: str, dataset: str) -> str:
    """Return `{model}-{dataset}` in the letters that Azure ML takes, 128 of them at most."""
    return _NOT_IN_A_NAME.sub("-", f"{model}-{dataset}").strip("-.")[:_LONGEST_NAME].rstrip("-.")


def lineage(job: Job, spec: FinetunePlan) -> dict[str, str]:
    """Return the tags of the registered model: job, base model, dataset, and the parameters that were chosen."""
    tags = {
        "job": job.id,
        "owner": job.owner,
        "base_model": spec.model_name,
        "base_model_version": spec.model_version,
        "dataset": spec.dataset_name,
        "dataset_sha256": spec.dataset_sha256,
        **({"eval_loss": f"{job.eval_loss_after:.4f}"} if job.eval_loss_after is not None else {}),
    }
    chosen = {one.name: one.value for one in spec.parameters if one.source != "component"}
    room = dict(list((tags | chosen).items())[:_MOST_TAGS])
    return {name: value[:_LONGEST_TAG] for name, value in room.items()}
