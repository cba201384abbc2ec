"""The registry azureml: models and components, read only."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import registry
from core.local_azure.server.addresses import REGISTRY, route
from core.local_azure.server.errors import MfeError, asset_not_found, registry_refused
from core.local_azure.server.registry import FoundationModel
from core.local_azure.server.services import services
from core.local_azure.server.workspace import REGISTRY as NAME


async def list_models(request: Request) -> Response:
    """GET models: the containers."""
    _check(request)
    return JSONResponse({"value": [registry.model_container_json(model) for model in registry.foundation_models()]})


async def get_model_container(request: Request) -> Response:
    """GET models/{model}."""
    return JSONResponse(registry.model_container_json(_model(request, "")))


async def list_model_versions(request: Request) -> Response:
    """GET models/{model}/versions: an unknown model has none."""
    _check(request)
    model = registry.find_model(request.path_params["model"])
    return JSONResponse({"value": [registry.model_json(model)] if model else []})


async def get_model(request: Request) -> Response:
    """GET models/{model}/versions/{version}."""
    return JSONResponse(registry.model_json(_model(request, request.path_params["version"])))


async def list_components(request: Request) -> Response:
    """GET components: the containers."""
    _check(request)
    return JSONResponse({"value": [registry.component_container_json(services(request).workspace.created)]})


async def get_component_container(request: Request) -> Response:
    """GET components/{component}."""
    _check_component(request, "")
    return JSONResponse(registry.component_container_json(services(request).workspace.created))


async def list_component_versions(request: Request) -> Response:
    """GET components/{component}/versions: an unknown component has none."""
    _check(request)
    known = request.path_params["component"] == registry.pipeline_component()["name"]
    return JSONResponse({"value": [registry.component_json(services(request).workspace.created)] if known else []})


async def get_component(request: Request) -> Response:
    """GET components/{component}/versions/{version}."""
    _check_component(request, request.path_params["version"])
    return JSONResponse(registry.component_json(services(request).workspace.created))


def _check(request: Request) -> None:
    if request.path_params["registry"].lower() != NAME:
        raise registry_refused(request.path_params["registry"])


def _model(request: Request, version: str) -> FoundationModel:
    _check(request)
    name = request.path_params["model"]
    model = registry.find_model(name)
    if model is None or version not in ("", model.version):
        raise _missing("models", name, version)
    return model


def _check_component(request: Request, version: str) -> None:
    _check(request)
    name, component = request.path_params["component"], registry.pipeline_component()
    if name != component["name"] or version not in ("", component["version"]):
        raise _missing("components", name, version)


def _missing(kind: str, name: str, version: str) -> MfeError:
    return asset_not_found(NAME, kind, name, version)


routes = [
    route("GET", REGISTRY + "/models", list_models),
    route("GET", REGISTRY + "/models/{model}", get_model_container),
    route("GET", REGISTRY + "/models/{model}/versions", list_model_versions),
    route("GET", REGISTRY + "/models/{model}/versions/{version}", get_model),
    route("GET", REGISTRY + "/components", list_components),
    route("GET", REGISTRY + "/components/{component}", get_component_container),
    route("GET", REGISTRY + "/components/{component}/versions", list_component_versions),
    route("GET", REGISTRY + "/components/{component}/versions/{version}", get_component),
]
