"""Run history: what azure-ai-ml reads about runs when it lists children, streams logs and downloads outputs."""

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import sas
from core.local_azure.server.addresses import HISTORY, route
from core.local_azure.server.body import read
from core.local_azure.server.errors import MfeError
from core.local_azure.server.services import services
from core.local_azure.server.state_jobs import Job, StageRun, change, find_run
from core.local_azure.server.wire_history import details_json, run_data_json, run_json
from core.local_azure.server.workspace import ARTIFACTS

_SERVICES = (
    "api",
    "catalog",
    "experimentation",
    "gallery",
    "history",
    "hyperdrive",
    "labeling",
    "modelmanagement",
    "pipelines",
    "quota-manager",
    "studio",
)


class RunDataRequest(msgspec.Struct, rename="camel"):
    """Body of rundata."""

    run_id: str


class RunPatch(msgspec.Struct):
    """Body of PATCH runs/{run}: a hidden run is an archived job."""

    hidden: bool


async def discovery(request: Request) -> Response:
    """GET /discovery: every service is this server."""
    return JSONResponse(dict.fromkeys(_SERVICES, services(request).workspace.url))


async def get_run(request: Request) -> Response:
    """GET runs/{run}."""
    return JSONResponse(run_json(*_find(request, request.path_params["run"]), services(request).workspace))


async def patch_run(request: Request) -> Response:
    """PATCH experiments/{experiment}/runs/{run}: archive or restore a job."""
    body = await read(request, RunPatch)
    job, run = _find(request, request.path_params["run"])

    def hidden(job: Job) -> Job:
        return msgspec.structs.replace(job, request=msgspec.structs.replace(job.request, is_archived=body.hidden))

    if run is None:
        job = change(services(request).store, job.name, hidden)
    return JSONResponse(run_json(job, run, services(request).workspace))


async def get_details(request: Request) -> Response:
    """GET runs/{run}/details."""
    job, run = _find(request, request.path_params["run"])
    workspace = services(request).workspace
    return JSONResponse(details_json(job, run, workspace, partial(sas.blob_url, workspace, ARTIFACTS)))


async def get_children(request: Request) -> Response:
    """GET runs/{run}/children: the stages in their order; a stage has none."""
    job, run = _find(request, request.path_params["run"])
    workspace = services(request).workspace
    children = [] if run else [run_json(job, child, workspace) for child in job.runs]
    top = request.query_params.get("$top", "")
    return JSONResponse({"value": children[: int(top)] if top.isdigit() else children})


async def get_run_data(request: Request) -> Response:
    """POST rundata."""
    body = await read(request, RunDataRequest)
    return JSONResponse(run_data_json(*_find(request, body.run_id), services(request).workspace))


def _find(request: Request, name: str) -> tuple[Job, StageRun | None]:
    found = find_run(services(request).store, name)
    if found is None:
        raise MfeError(404, "UserError", f"Run {name} was not found", inner=("NotFoundError",))
    return found


routes = [
    route("GET", "/discovery", discovery),
    route("GET", "/discovery/{rest:path}", discovery),
    route("GET", HISTORY + "/runs/{run}", get_run),
    route("PATCH", HISTORY + "/experiments/{experiment}/runs/{run}", patch_run),
    route("GET", HISTORY + "/runs/{run}/details", get_details),
    route("GET", HISTORY + "/runs/{run}/children", get_children),
    route("POST", HISTORY + "/rundata", get_run_data),
]
