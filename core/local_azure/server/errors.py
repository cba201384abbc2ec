"""Azure's two forms of an error, its wording, and the one place where they become responses.

Wording and shapes are from recorded traffic of azure-ai-ml's own tests (2022-2023) unless a function says otherwise.
"""

import logging
import uuid
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

log = logging.getLogger(__name__)

XML = '\ufeff<?xml version="1.0" encoding="utf-8"?>'
"""How Blob Storage's documents begin: with a byte order mark."""


class MfeError(Exception):
    """An error as the management front end of Azure ML tells it: jobs, models, endpoints, datastores, registries."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        inner: tuple[str, ...] = (),
        details: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """`inner` is the chain of InnerError codes, outermost first; `details` are pairs of code and message."""
        super().__init__(message)
        self.status, self.code, self.message, self.inner, self.details = status, code, message, inner, details


class GatewayError(Exception):
    """An error as Azure Resource Manager's gateway tells it, before Azure ML is asked."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


class BlobError(Exception):
    """An error as Azure Blob Storage tells it, in XML."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


def job_not_found(name: str) -> MfeError:
    """Return the error of a job that does not exist."""
    return MfeError(404, "UserError", f"Job {name} not found.", inner=("NotFound", "JobNotFound"))


def model_not_found(name: str) -> MfeError:
    """Return the error of a model container that does not exist."""
    detail = ("ModelNotFound", f"Model container with name: {name} not found.")
    return MfeError(404, "UserError", "The specified resource was not found.", details=(detail,))


def datastore_not_found(name: str) -> MfeError:
    """Return the error of a datastore that does not exist."""
    return MfeError(404, "UserError", f"Could not find datastore: {name}.", inner=("NotFoundError",))


def asset_not_found(registry: str, kind: str, name: str, version: str) -> MfeError:
    """Return the error of a registry asset that does not exist; `kind` is models or components."""
    asset = f"azureml://registries/{registry}/{kind}/{name}/versions/{version}"
    return MfeError(404, "UserError", f"Could not find asset with ID: {asset}")


def registry_refused(name: str) -> MfeError:
    """Return the error of a registry that this identity may not read (401 is recorded, the text is ours)."""
    return MfeError(401, "UserError", f"The registry {name} does not exist or you are not allowed to read it.")


def endpoint_not_found(name: str) -> MfeError:
    """Return the error of an endpoint that does not exist (recorded for batch endpoints)."""
    detail = ("NoSuchEndpoint", f"Endpoint with name {name} was not found.")
    return MfeError(404, "NotFound", "The specified resource was not found.", details=(detail,))


def workspace_not_found(name: str, resource_group: str) -> GatewayError:
    """Return the error of a workspace that does not exist."""
    return GatewayError(
        404,
        "ResourceNotFound",
        f"The Resource 'Microsoft.MachineLearningServices/workspaces/{name}' under resource group '{resource_group}' "
        "was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def response(error: Exception) -> Response:
    """Return the response for any exception; an unforeseen one becomes Azure's InternalServerError."""
    if isinstance(error, GatewayError):
        body = {"error": {"code": error.code, "message": error.message}}
        return JSONResponse(body, error.status, {"x-ms-failure-cause": "gateway", **error.headers})
    if isinstance(error, MfeError):
        headers = {"x-ms-response-type": "error"}
        if error.status >= 500:
            headers["x-ms-failure-cause"] = "service"
        return JSONResponse(mfe_body(error), error.status, headers)
    if isinstance(error, BlobError):
        return _blob_response(error)
    if isinstance(error, HTTPException):
        return response(_unknown_route(error))
    log.error("unforeseen error", exc_info=error)
    return response(MfeError(500, "ServiceError", "InternalServerError"))


def mfe_body(error: MfeError) -> dict[str, object]:
    """Return the body of an `MfeError`."""
    ids = {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]}
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0+00:00"
    information: list[tuple[str, object]] = [
        ("ComponentName", "managementfrontend"),
        ("Correlation", ids),
        ("Environment", "local"),
        ("Location", "local"),
        ("Time", time),
    ]
    inner: dict[str, object] | None = None
    for code in reversed(error.inner):
        inner = {"code": code, "innerError": inner}
    if inner:
        information.append(("InnerError", inner))
    details = [
        {"code": code, "message": message, "details": [], "additionalInfo": []} for code, message in error.details
    ]
    extra = [{"type": name, "info": {"value": value}} for name, value in information]
    return {"error": {"code": error.code, "message": error.message, "details": details, "additionalInfo": extra}}


async def handle(request: Request, error: Exception) -> Response:
    """Answer a request whose handler raised `error`."""
    if isinstance(error, HTTPException):
        log.warning("no such route: %s %s", request.method, request.url.path)
    return response(error)


def _blob_response(error: BlobError) -> Response:
    request = str(uuid.uuid4())
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
    message = escape(f"{error.message}\nRequestId:{request}\nTime:{time}")
    body = f"<Error><Code>{error.code}</Code><Message>{message}</Message></Error>"
    headers = {"x-ms-error-code": error.code, "x-ms-request-id": request, **error.headers}
    return Response(f"{XML}{body}", error.status, headers, "application/xml")


def _unknown_route(error: HTTPException) -> GatewayError:
    if error.status_code == 404:
        message = "The resource type could not be found in the namespace 'Microsoft.MachineLearningServices'."
        return GatewayError(404, "InvalidResourceType", message)
    return GatewayError(error.status_code, "MethodNotAllowed", str(error.detail))
