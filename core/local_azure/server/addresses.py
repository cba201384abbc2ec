"""The paths of Azure ML's several services, and routes that ignore case as Azure Resource Manager does."""

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PROVIDER = "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.MachineLearningServices"
WORKSPACE = PROVIDER + "/workspaces/{workspace}"
LOCATION = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
REGISTRY = "/mferp/managementfrontend" + PROVIDER + "/registries/{registry}"
HISTORY = "/history/v1.0" + WORKSPACE
DATA = "/data/v1.0" + WORKSPACE
MODEL_REGISTRY = "/modelregistry/v1.0" + WORKSPACE

OPEN = ("/metadata/", "/msi/", "/discovery", "/blob/", "/endpoints/", "/_control/")
"""Prefixes that need no bearer token: public, or checked otherwise (SAS, endpoint key, control token)."""

Handler = Callable[[Request], Awaitable[Response]]


def route(method: str, path: str, handler: Handler) -> Route:
    """Return a route whose path matches in any case; its parameters keep the case they came in."""
    found = Route(path, handler, methods=[method])
    found.path_regex = re.compile(found.path_regex.pattern, re.IGNORECASE)
    return found
