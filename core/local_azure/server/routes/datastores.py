"""The workspace's datastores and their secrets."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server import datastores
from core.local_azure.server.addresses import WORKSPACE, route
from core.local_azure.server.sas import sas
from core.local_azure.server.services import services

DATASTORE = WORKSPACE + "/datastores/{datastore}"


async def list_datastores(request: Request) -> Response:
    """GET datastores; with isDefault=true only the default one."""
    workspace = services(request).workspace
    names = list(datastores.containers(workspace))
    if request.query_params.get("isDefault", "").lower() == "true":
        names = [datastores.BLOB_STORE]
    return JSONResponse({"value": [datastores.datastore_json(workspace, name) for name in names]})


async def get_datastore(request: Request) -> Response:
    """GET datastores/{datastore}."""
    return JSONResponse(datastores.datastore_json(services(request).workspace, request.path_params["datastore"]))


async def refuse(request: Request) -> Response:
    """PUT and DELETE datastores/{datastore}."""
    raise datastores.read_only(request.path_params["datastore"])


async def list_secrets(request: Request) -> Response:
    """POST datastores/{datastore}/listSecrets: a shared access signature."""
    workspace = services(request).workspace
    datastores.container(workspace, request.path_params["datastore"])
    return JSONResponse({"secretsType": "Sas", "sasToken": sas(workspace)})


routes = [
    route("GET", WORKSPACE + "/datastores", list_datastores),
    route("GET", DATASTORE, get_datastore),
    route("PUT", DATASTORE, refuse),
    route("DELETE", DATASTORE, refuse),
    route("POST", DATASTORE + "/listSecrets", list_secrets),
]
