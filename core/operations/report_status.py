"""Report what there is: one record, everything that runs, a log, a history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rapidfuzz import process

from core.azure.types import TERMINAL_JOB_STATES
from core.errors import InputError, NotFoundError
from core.events import SubjectKind
from core.records.tables import Dataset, Endpoint, Event, Job
from core.services import Services

R = TypeVar("R", Job, Endpoint, Dataset)
_MOST_SHOWN = 20
_SUGGESTED_AMONG = 200


@dataclass(frozen=True)
class Overview:
    """Jobs, endpoints and datasets: in each, what runs first, then the newest."""

    jobs: tuple[Job, ...]
    endpoints: tuple[Endpoint, ...]
    datasets: tuple[Dataset, ...]


def report_status(services: Services, id: str = "") -> Job | Endpoint | Dataset:
    """Return the record `id`; empty: the newest job.

    Raises NotFoundError with the nearest id there is, InputError when nothing is named and there is no job.
    """
    if not id:
        jobs = services.store.find(Job, limit=1)
        if not jobs:
            raise InputError("There is no job yet.", next="`/ft-launch` plans one.", field="id")
        return jobs[0]
    for table in (Job, Endpoint, Dataset):
        found: Sequence[Job | Endpoint | Dataset] = services.store.find(table, table.id == id, limit=1)
        if found:
            return found[0]
    raise _unknown(services, id)


def overview(services: Services, *, owner: str = "", channel: str = "") -> Overview:
    """Return what there is, of one owner and one channel when named, without endpoints that are gone."""

    def of(table: type[R], *conditions: Any) -> Sequence[R]:
        owned = [table.owner == owner] if owner else []
        here = [table.channel == channel] if channel else []
        return services.store.find(table, *owned, *here, *conditions)

    jobs = sorted(of(Job), key=lambda job: not is_running(job))
    endpoints = sorted(of(Endpoint, Endpoint.state != "Gone"), key=lambda endpoint: endpoint.failure is not None)
    datasets = sorted(of(Dataset), key=lambda dataset: dataset.state != "preparing")
    return Overview(tuple(jobs[:_MOST_SHOWN]), tuple(endpoints[:_MOST_SHOWN]), tuple(datasets[:_MOST_SHOWN]))


def is_running(job: Job) -> bool:
    """Return whether a job has not ended on Azure."""
    return job.state not in TERMINAL_JOB_STATES


def recent_log(services: Services, id: str, lines: int = 20) -> tuple[str, ...]:
    """Return the last lines of a failed job's log, or of an endpoint's deployment; empty when there is none.

    Raises NotFoundError or AzureError.
    """
    record = report_status(services, id)
    if isinstance(record, Endpoint) and record.deployment_state not in ("", "Gone"):
        return services.azure.deployment_logs(record.id, record.deployment, lines)
    failure = record.failure or {}
    return tuple(str(line) for line in failure.get("log", ()))[-lines:]


def history(services: Services, kind: SubjectKind, id: str) -> Sequence[Event]:
    """Return everything that happened to a record, oldest first."""
    return services.store.events(kind, id)


def _unknown(services: Services, id_: str) -> NotFoundError:
    tables: tuple[type[Job | Endpoint | Dataset], ...] = (Job, Endpoint, Dataset)
    known = [record.id for table in tables for record in services.store.find(table, limit=_SUGGESTED_AMONG)]
    nearest = process.extractOne(id_, known, score_cutoff=60)
    return NotFoundError(
        f"There is no job, endpoint or dataset `{id_}`.",
        next=f"Did you mean `{nearest[0]}`?" if nearest else "`/ft-status` lists what there is.",
    )
