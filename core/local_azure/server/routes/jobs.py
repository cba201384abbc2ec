"""Jobs: submitted, listed, cancelled and deleted."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import operations
from core.local_azure.server.addresses import WORKSPACE, route
from core.local_azure.server.body import read
from core.local_azure.server.errors import MfeError, job_not_found
from core.local_azure.server.operations import Action, OperationKind
from core.local_azure.server.services import services
from core.local_azure.server.state_jobs import KIND, TERMINAL, Job, JobRequest, change, find_run
from core.local_azure.server.submission import new_job
from core.local_azure.server.wire_jobs import child_json, job_json

PAGE = 50


class JobBody(msgspec.Struct):
    """Body of PUT."""

    properties: JobRequest


async def put_job(request: Request) -> Response:
    """PUT jobs/{job}: submit it, or update what people wrote about an existing one without starting it again."""
    parts, name = services(request), request.path_params["job"]
    body = await read(request, JobBody)
    found = parts.store.get(KIND, name, Job)
    if found:
        job = change(parts.store, name, lambda job: _updated(job, body.properties))
        return JSONResponse(job_json(job, parts.workspace))
    job = new_job(parts, name, body.properties)
    parts.store.put(KIND, name, job)
    parts.jobs.wake()
    return JSONResponse(job_json(job, parts.workspace), 201, {"Location": str(request.url)})


async def get_job(request: Request) -> Response:
    """GET jobs/{job}: a job, or a child run without its properties."""
    parts = services(request)
    found = find_run(parts.store, request.path_params["job"])
    if found is None:
        raise job_not_found(request.path_params["job"])
    job, run = found
    return JSONResponse(child_json(run, parts.workspace) if run else job_json(job, parts.workspace))


async def list_jobs(request: Request) -> Response:
    """GET jobs: newest first, in pages."""
    parts, query = services(request), request.query_params
    jobs = [job for job in reversed(parts.store.list(KIND, Job)) if _listed(job, request)]
    skip = int(query.get("$skip", "0")) if query.get("$skip", "0").isdigit() else 0
    answer: dict[str, object] = {"value": [job_json(job, parts.workspace) for job in jobs[skip : skip + PAGE]]}
    if len(jobs) > skip + PAGE:
        answer["nextLink"] = str(request.url.include_query_params(**{"$skip": skip + PAGE}))
    return JSONResponse(answer)


async def cancel_job(request: Request) -> Response:
    """POST jobs/{job}/cancel: accepted; the job ends when its processes have."""
    parts, job = services(request), _find(request)
    if job.status in TERMINAL:
        raise _in_terminal_status(job)
    operation = operations.begin(
        parts, OperationKind.CANCEL, Action.UPDATE, f"{parts.workspace.resource_id}/jobs/{job.name}"
    )
    if not parts.jobs.cancel(job.name):
        operations.finish(parts, operation)
    return JSONResponse(None, 202, operations.headers(parts, operation))


async def delete_job(request: Request) -> Response:
    """DELETE jobs/{job}: forget a job that has ended; its outputs stay in the datastore."""
    parts, job = services(request), _find(request)
    if job.status not in TERMINAL:
        message = f"The job {job.name} is in status {job.status}. Cancel it before it can be deleted."
        raise MfeError(400, "UserError", message, inner=("BadArgument", "JobNotInTerminalStatus"))
    parts.store.delete(KIND, job.name)
    return Response(status_code=200)


def _find(request: Request) -> Job:
    name = request.path_params["job"]
    job = services(request).store.get(KIND, name, Job)
    if job is None:
        raise job_not_found(name)
    return job


def _in_terminal_status(job: Job) -> MfeError:
    message = f"The pipeline run {job.name} is in terminal status, it can't be canceled."
    return MfeError(
        400, "UserError", message, inner=("BadArgument", "ArgumentInvalid", "CancelPipelineRunInTerminalStatus")
    )


def _updated(job: Job, wanted: JobRequest) -> Job:
    request = msgspec.structs.replace(
        job.request,
        display_name=wanted.display_name,
        description=wanted.description,
        tags=wanted.tags,
        is_archived=wanted.is_archived,
    )
    return msgspec.structs.replace(job, request=request, revision=job.revision + 1)


def _listed(job: Job, request: Request) -> bool:
    query = request.query_params
    archived = {"ArchivedOnly": (True,), "All": (True, False)}.get(query.get("listViewType", ""), (False,))
    tag, _, value = query.get("tag", "").partition("=")
    return (
        job.request.is_archived in archived
        and query.get("jobType", "Pipeline").lower() == "pipeline"
        and (not tag or (tag in job.request.tags and value in ("", job.request.tags[tag])))
    )


routes = [
    route("PUT", WORKSPACE + "/jobs/{job}", put_job),
    route("GET", WORKSPACE + "/jobs/{job}", get_job),
    route("GET", WORKSPACE + "/jobs", list_jobs),
    route("POST", WORKSPACE + "/jobs/{job}/cancel", cancel_job),
    route("DELETE", WORKSPACE + "/jobs/{job}", delete_job),
]
