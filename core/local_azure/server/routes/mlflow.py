"""MLflow's REST API of the workspace: what stages log, and what clients read."""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import state_metrics
from core.local_azure.server.addresses import WORKSPACE, route
from core.local_azure.server.services import services
from core.local_azure.server.state_jobs import KIND, Job, StageRun, find_run
from core.local_azure.server.state_metrics import Metric, Pair
from core.local_azure.server.wire_mlflow import experiment_id, experiment_json, metric_json, run_json

MLFLOW = "/mlflow/{version}" + WORKSPACE + "/api/2.0/mlflow"
Body = TypeVar("Body", bound=msgspec.Struct)
_FILTER = re.compile(r"""^\s*tags\.[`"]?mlflow\.(parent|root)RunId[`"]?\s*=\s*['"]([^'"]+)['"]\s*$""")


class MlflowError(Exception):
    """An error in MLflow's own form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class LoggedMetric(msgspec.Struct):
    """A metric as it is sent; protobuf's JSON writes 64-bit integers, NaN and the infinities as text."""

    key: str
    value: float
    timestamp: int
    step: int = 0

    def metric(self) -> Metric:
        """Return the metric to be kept."""
        return Metric(self.key, repr(self.value), self.timestamp, self.step)


class LogMetric(LoggedMetric, kw_only=True):
    """Body of runs/log-metric."""

    run_id: str


class LogPair(msgspec.Struct):
    """Body of runs/log-parameter and runs/set-tag."""

    run_id: str
    key: str
    value: str


class LogBatch(msgspec.Struct):
    """Body of runs/log-batch."""

    run_id: str
    metrics: list[LoggedMetric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class UpdateRun(msgspec.Struct):
    """Body of runs/update; Azure ML decides itself what the status of a job's run is."""

    run_id: str


class Search(msgspec.Struct):
    """Body of runs/search.

    `filter` may ask for the runs below one job, by its tag mlflow.parentRunId or mlflow.rootRunId.
    """

    experiment_ids: list[str] = []
    filter: str = ""


Handler = Callable[[Request], Awaitable[Response]]


def _told(handler: Handler) -> Handler:
    """Return `handler` with its errors told in MLflow's form."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except MlflowError as error:
            return JSONResponse({"error_code": error.code, "message": str(error)}, error.status)

    return answer


async def _body(request: Request, type: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=type, strict=False)
    except msgspec.MsgspecError as error:
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", str(error)) from None


def _find(request: Request, run: str) -> tuple[Job, StageRun | None]:
    found = find_run(services(request).store, run)
    if found is None:
        raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={run} not found")
    return found


def _log(request: Request, run: str, metrics: list[Metric], params: list[Pair], tags: list[Pair]) -> Response:
    _find(request, run)
    try:
        state_metrics.log(services(request).store, run, metrics, params, tags)
    except ValueError as error:
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", str(error)) from None
    return JSONResponse({})


async def log_metric(request: Request) -> Response:
    """POST runs/log-metric."""
    body = await _body(request, LogMetric)
    return _log(request, body.run_id, [body.metric()], [], [])


async def log_batch(request: Request) -> Response:
    """POST runs/log-batch."""
    body = await _body(request, LogBatch)
    return _log(request, body.run_id, [metric.metric() for metric in body.metrics], body.params, body.tags)


async def log_parameter(request: Request) -> Response:
    """POST runs/log-parameter."""
    body = await _body(request, LogPair)
    return _log(request, body.run_id, [], [Pair(body.key, body.value)], [])


async def set_tag(request: Request) -> Response:
    """POST runs/set-tag."""
    body = await _body(request, LogPair)
    return _log(request, body.run_id, [], [], [Pair(body.key, body.value)])


async def get_run(request: Request) -> Response:
    """GET runs/get."""
    return _run(request, request.query_params.get("run_id") or request.query_params.get("run_uuid", ""))


async def update_run(request: Request) -> Response:
    """POST runs/update: answer the run as it is."""
    body = await _body(request, UpdateRun)
    job, run = _find(request, body.run_id)
    record = state_metrics.record(services(request).store, body.run_id)
    return JSONResponse({"run_info": run_json(job, run, record, services(request).workspace)["info"]})


async def search_runs(request: Request) -> Response:
    """POST runs/search: the runs of the experiments, newest first, perhaps only the children of one job."""
    body = await _body(request, Search)
    asked = _FILTER.match(body.filter)
    if body.filter and asked is None:
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"Invalid filter '{body.filter}'.")
    store, workspace = services(request).store, services(request).workspace
    runs = []
    for job in reversed(store.list(KIND, Job)):
        if experiment_id(job.request.experiment_name) not in body.experiment_ids or (asked and asked[2] != job.name):
            continue
        found = job.runs if asked and asked[1] == "parent" else (None, *job.runs)
        runs += [run_json(job, run, state_metrics.record(store, (run or job).name), workspace) for run in found]
    return JSONResponse({"runs": runs})


async def get_history(request: Request) -> Response:
    """GET metrics/get-history: every value of one metric, in the order of logging."""
    run, key = request.query_params.get("run_id", ""), request.query_params.get("metric_key", "")
    _find(request, run)
    history = state_metrics.record(services(request).store, run).metrics.get(key, ())
    return JSONResponse({"metrics": [metric_json(metric) for metric in history]})


async def get_experiment_by_name(request: Request) -> Response:
    """GET experiments/get-by-name."""
    name = request.query_params.get("experiment_name", "")
    return _experiment(request, experiment_id(name), f"name '{name}'")


async def get_experiment(request: Request) -> Response:
    """GET experiments/get."""
    identifier = request.query_params.get("experiment_id", "")
    return _experiment(request, identifier, f"id {identifier}")


async def search_experiments(request: Request) -> Response:
    """POST experiments/search: all of them."""
    return JSONResponse({"experiments": [experiment_json(name) for name in _experiments(request)]})


def _experiments(request: Request) -> list[str]:
    jobs = services(request).store.list(KIND, Job)
    return list(dict.fromkeys(job.request.experiment_name for job in jobs))


def _experiment(request: Request, identifier: str, described: str) -> Response:
    for name in _experiments(request):
        if experiment_id(name) == identifier:
            return JSONResponse({"experiment": experiment_json(name)})
    raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with {described}")


def _run(request: Request, name: str) -> Response:
    job, run = _find(request, name)
    record = state_metrics.record(services(request).store, name)
    return JSONResponse({"run": run_json(job, run, record, services(request).workspace)})


routes = [
    route(method, f"{MLFLOW}/{path}", _told(handler))
    for method, path, handler in (
        ("POST", "runs/log-metric", log_metric),
        ("POST", "runs/log-batch", log_batch),
        ("POST", "runs/log-parameter", log_parameter),
        ("POST", "runs/set-tag", set_tag),
        ("POST", "runs/update", update_run),
        ("POST", "runs/search", search_runs),
        ("GET", "runs/get", get_run),
        ("GET", "metrics/get-history", get_history),
        ("GET", "experiments/get-by-name", get_experiment_by_name),
        ("GET", "experiments/get", get_experiment),
        ("POST", "experiments/search", search_experiments),
    )
]
