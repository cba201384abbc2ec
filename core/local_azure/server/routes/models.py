"""Registered models, and the addresses of job outputs."""

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import datastores, state_models
from core.local_azure.server.addresses import DATA, MODEL_REGISTRY, WORKSPACE, route
from core.local_azure.server.body import read
from core.local_azure.server.datastores import DatastorePath
from core.local_azure.server.errors import MfeError, model_not_found
from core.local_azure.server.services import Services, services
from core.local_azure.server.state_jobs import find_run
from core.local_azure.server.state_models import ModelContainer, ModelVersion
from core.local_azure.server.wire_models import ModelBody, container_json, model_json

MODEL = WORKSPACE + "/models/{model}"
VERSION = MODEL + "/versions/{version}"


async def list_models(request: Request) -> Response:
    """GET models: the containers, archived ones only when asked for."""
    found = services(request)
    kept = [c for c in state_models.containers(found) if _listed(request, c.archived)]
    value = [container_json(c, state_models.versions(found, c.name), found.workspace) for c in kept]
    return JSONResponse({"value": value})


async def get_container(request: Request) -> Response:
    """GET models/{model}."""
    found, name = services(request), request.path_params["model"]
    container = _container(found, name)
    return JSONResponse(container_json(container, state_models.versions(found, name), found.workspace))


async def put_container(request: Request) -> Response:
    """PUT models/{model}: describe or archive it."""
    found, name = services(request), request.path_params["model"]
    sent, now = (await read(request, ModelBody)).properties, found.clock()
    former = state_models.find_container(found, name)
    container = ModelContainer(
        name=name,
        created=former.created if former else now,
        modified=now,
        description=sent.description,
        tags=sent.tags or {},
        properties=sent.properties or {},
        archived=sent.is_archived,
    )
    state_models.save_container(found, container)
    answer = container_json(container, state_models.versions(found, name), found.workspace)
    return JSONResponse(answer, 200 if former else 201)


async def list_versions(request: Request) -> Response:
    """GET models/{model}/versions: newest first, archived ones only when asked for."""
    found = services(request)
    kept = [m for m in state_models.versions(found, request.path_params["model"]) if _listed(request, m.archived)]
    if "asc" in request.query_params.get("$orderBy", "").lower():
        kept.reverse()
    top = int(request.query_params.get("$top", len(kept)))
    return JSONResponse({"value": [model_json(model, found.workspace) for model in kept[:top]]})


async def get_version(request: Request) -> Response:
    """GET models/{model}/versions/{version}."""
    found, name, version = services(request), request.path_params["model"], request.path_params["version"]
    model = state_models.find(found, name, version)
    if model is None:
        _container(found, name)
        raise _version_not_found(name, version)
    return JSONResponse(model_json(model, found.workspace))


async def put_version(request: Request) -> Response:
    """PUT models/{model}/versions/{version}: 201 when it is new, 200 when it changes."""
    found, sent = services(request), (await read(request, ModelBody)).properties
    name, version, now = request.path_params["model"], request.path_params["version"], found.clock()
    if not sent.model_uri:
        raise MfeError(400, "UserError", "The model path is required.", inner=("BadArgument", "ArgumentInvalid"))
    place, job = state_models.resolve(found, sent.model_uri)
    flavors = state_models.read_flavors(state_models.folder(found, place))
    model = ModelVersion(
        name=name,
        version=version,
        uri=datastores.full_uri(found.workspace, place),
        type=sent.model_type,
        created=now,
        modified=now,
        description=sent.description,
        tags=sent.tags or {},
        properties=sent.properties or {},
        flavors=flavors,
        job=job,
        stage=sent.stage,
        archived=sent.is_archived,
        anonymous=sent.is_anonymous,
    )
    is_new = state_models.save(found, model)
    saved = state_models.find(found, name, version) or model
    headers = {"Location": str(request.url)} if is_new else None
    return JSONResponse(model_json(saved, found.workspace), 201 if is_new else 200, headers)


async def delete_version(request: Request) -> Response:
    """DELETE models/{model}/versions/{version}."""
    existed = state_models.delete(services(request), request.path_params["model"], request.path_params["version"])
    return Response(status_code=200 if existed else 204)


class AssetIds(msgspec.Struct):
    """The assets whose addresses a client wants."""

    values: list[str] = []


async def data_addresses(request: Request) -> Response:
    """POST dataversion/batchGetResolvedUris: where the data outputs of jobs are."""
    found, ids = services(request), (await read(request, AssetIds)).values
    addresses = {asset: _address(found, asset) for asset in ids}
    values: dict[str, Any] = {
        asset: {"uri": address, "type": "UriFolder", "legacyDatasetType": None} for asset, address in addresses.items()
    }
    return JSONResponse({"values": values})


async def model_addresses(request: Request) -> Response:
    """POST models/batchGetResolvedUris: where the model outputs of jobs are."""
    found, ids = services(request), (await read(request, AssetIds)).values
    values = {asset: {"uri": None, "path": _address(found, asset), "type": "MLFlowModel"} for asset in ids}
    return JSONResponse({"values": values})


def _address(services: Services, asset: str) -> str:
    """Return the address of an output, whose asset id names the run that wrote it."""
    found = re.search(r"/azureml_(.+)_output_(?:data|models)_([^/]+)/versions/", asset)
    if found is None or find_run(services.store, found[1]) is None:
        raise MfeError(404, "UserError", f"Could not find asset with ID: {asset}")
    if found[2] == "default":
        place = DatastorePath(datastores.ARTIFACT_STORE, f"ExperimentRun/dcid.{found[1]}")
    else:
        place = DatastorePath(datastores.BLOB_STORE, f"azureml/{found[1]}/output")
    return datastores.full_uri(services.workspace, place) + "/"


def _container(services: Services, name: str) -> ModelContainer:
    container = state_models.find_container(services, name)
    if container is None:
        raise model_not_found(name)
    return container


def _version_not_found(name: str, version: str) -> MfeError:
    detail = ("ModelNotFound", f"Model with name: {name} and version: {version} not found.")
    return MfeError(404, "UserError", "The specified resource was not found.", details=(detail,))


def _listed(request: Request, archived: bool) -> bool:
    view = request.query_params.get("listViewType", "ActiveOnly").lower()
    return view == "all" or archived == (view == "archivedonly")


routes = [
    route("GET", WORKSPACE + "/models", list_models),
    route("GET", MODEL, get_container),
    route("PUT", MODEL, put_container),
    route("GET", MODEL + "/versions", list_versions),
    route("GET", VERSION, get_version),
    route("PUT", VERSION, put_version),
    route("DELETE", VERSION, delete_version),
    route("POST", DATA + "/dataversion/batchGetResolvedUris", data_addresses),
    route("POST", MODEL_REGISTRY + "/models/batchGetResolvedUris", model_addresses),
]
