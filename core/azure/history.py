"""Run history of the workspace: the stages of a pipeline job, why one failed and the end of its log.

The same service and paths that azure-ai-ml's `jobs.stream` and `jobs.list(parent_job_name=)` use; their results leave
out the times and the error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from azure.core.exceptions import HttpResponseError

from core.azure.cloud import tls_context
from core.azure.errors import is_not_found, scrub
from core.azure.types import JobFailure, StageSnapshot

if TYPE_CHECKING:
    from core.azure.clients import Clients

STAGES = (
    "ft_nlp_common_validation",
    "chat_completion_model_import",
    "chat_completion_datapreprocess",
    "chat_completion_finetune",
    "ft_nlp_model_converter",
)
"""The child jobs of chat_completion_pipeline 0.0.82, in the order in which they run."""

FINETUNE = "chat_completion_finetune"
_LOG_TAIL_BYTES = 64 * 1024
_LOG_LINES = 40


@dataclass(frozen=True)
class Failure:
    """Azure's error of one run, and the addresses of its logs by name."""

    code: str
    message: str
    logs: dict[str, str]


def stages(clients: Clients, job: str) -> tuple[StageSnapshot, ...]:
    """Return the stages of `job` in the order in which they run.

    A pipeline component is one child of the job on Azure and its own children are the stages, so two levels are read.
    """
    children = _children(clients, job)
    if children and not any(_stage_name(child) in STAGES for child in children):
        children = [grandchild for child in children for grandchild in _children(clients, str(child["runId"]))]
    return in_order([parse_stage(child) for child in children])


def in_order(found: list[StageSnapshot]) -> tuple[StageSnapshot, ...]:
    """Return `found` in the pipeline's order; a stage that Azure has not created yet is NotStarted and has no run."""
    if not found:
        return ()
    newest: dict[str, StageSnapshot] = {}
    for stage in sorted(found, key=lambda stage: stage.started_at or datetime.min.replace(tzinfo=UTC)):
        newest[stage.name] = stage
    known = tuple(newest.pop(name, StageSnapshot(name, "", "NotStarted")) for name in STAGES)
    return known + tuple(newest.values())


def failure(clients: Clients, job: str, found: tuple[StageSnapshot, ...]) -> JobFailure:
    """Return why `job` failed: the error and the last log lines of the stage that did, else the job's own error."""
    failed = next((stage for stage in found if stage.status == "Failed" and stage.run), None)
    told = _failure(clients, failed.run if failed else job)
    log = _log_tail(told.logs)
    return JobFailure(told.code, told.message, failed.name if failed else "", log)


def parse_stage(run: dict[str, Any]) -> StageSnapshot:
    """Return the stage that a run of the history describes."""
    started, ended = moment(run.get("startTimeUtc")), moment(run.get("endTimeUtc"))
    return StageSnapshot(_stage_name(run), str(run["runId"]), str(run.get("status") or "Unknown"), started, ended)


def parse_failure(details: dict[str, Any]) -> Failure:
    """Return the error in the details of a run; the innermost code says most."""
    outer = details.get("error") or {}
    error = outer.get("error") or {}
    code, inner = str(error.get("code") or ""), error.get("innerError")
    while isinstance(inner, dict):
        code, inner = str(inner.get("code") or code), inner.get("innerError")
    message = " ".join(scrub(str(error.get("message") or "")).split())
    logs = {str(name): str(url) for name, url in (details.get("logFiles") or {}).items()}
    return Failure(code or "UnknownError", message or "Azure gave no reason.", logs)


def choose_log(names: list[str]) -> str | None:
    """Return the log in which a failed script says why: its own output before the system's."""
    order = ("user_logs/std_log", "user_logs/", "azureml-logs/70_driver_log", "azureml-logs/", "logs/")
    for prefix in order:
        found = sorted(name for name in names if name.startswith(prefix))
        if found:
            return found[0]
    return sorted(names)[0] if names else None


def moment(text: str | None) -> datetime | None:
    """Return a time of Azure's, which has up to seven fractional digits, in UTC."""
    if not text:
        return None
    main, _, fraction = text.replace("Z", "+00:00").partition(".")
    if fraction:
        digits, sign, zone = fraction.partition("+")
        main = f"{main}.{digits[:6].ljust(6, '0')}{sign}{zone}"
    found = datetime.fromisoformat(main)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _stage_name(run: dict[str, Any]) -> str:
    properties = run.get("properties") or {}
    return str(run.get("displayName") or properties.get("azureml.moduleName") or run.get("name") or run["runId"])


def _children(clients: Clients, run: str) -> list[dict[str, Any]]:
    url: str | None = f"{_runs(clients)}/{run}/children"
    found: list[dict[str, Any]] = []
    token = ""
    while url:
        try:
            page = clients.rest.get(url, **({"$continuationtoken": token} if token else {}))
        except HttpResponseError as error:
            # The history follows the job, so a new job is not in it yet.
            if is_not_found(error):
                return found
            raise
        found += page.get("value") or []
        # Swagger's paged answer: nextLink is a full address; continuationToken goes back as a parameter.
        next_link, token = page.get("nextLink"), str(page.get("continuationToken") or "")
        url = next_link or (url if token else None)
        token = "" if next_link else token
    return found


def _failure(clients: Clients, run: str) -> Failure:
    return parse_failure(clients.rest.get(f"{_runs(clients)}/{run}/details"))


def _runs(clients: Clients) -> str:
    return f"{clients.data_plane_url}/history/v1.0{clients.workspace_id}/runs"


def _log_tail(logs: dict[str, str]) -> tuple[str, ...]:
    """Return the end of the most telling log; the job's failure is told without it when storage does not answer."""
    name = choose_log(list(logs))
    if name is None:
        return ()
    try:
        with httpx.Client(verify=tls_context(), timeout=20, follow_redirects=True) as storage:
            size = int(storage.head(logs[name]).raise_for_status().headers.get("content-length", "0"))
            if size == 0:
                return ()
            # Azure Storage knows no suffix ranges ("bytes=-N").
            answer = storage.get(logs[name], headers={"Range": f"bytes={max(0, size - _LOG_TAIL_BYTES)}-"})
            text = answer.raise_for_status().text
    except httpx.HTTPError:
        return ()
    return tuple(scrub(line) for line in text.splitlines()[-_LOG_LINES:])
