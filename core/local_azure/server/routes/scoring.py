"""Calls of endpoints: who may, which deployment answers, and what Azure ML's front door makes of its answer.

Status codes: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes;
the texts are those that people quote from the service.
"""

import asyncio
import contextlib
import hmac
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import jwt
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.local_azure.server.addresses import route
from core.local_azure.server.durations import seconds
from core.local_azure.server.errors import GatewayError
from core.local_azure.server.services import Services, services
from core.local_azure.server.state_endpoints import (
    DEPLOYMENT,
    ENDPOINT,
    Deployment,
    Endpoint,
    deployment_key,
)
from core.local_azure.server.state_requests import count
from core.local_azure.server.supervisor_deployments import Replica
from core.local_azure.server.wire_endpoints import scoring_uri, swagger_json

HEADER = "azureml-model-deployment"
NO_ROUTE = (
    "No valid deployments to route to. Please check that the endpoint has at least one deployment with positive weight "
    "values or use a deployment specific header to route."
)


class FrontDoorError(Exception):
    """A refusal by the front door, which answers in plain text."""

    def __init__(self, status: int, text: str, deployment: str = "") -> None:
        super().__init__(text)
        self.status, self.deployment = status, deployment


class _Passed(StreamingResponse):
    """An answer that is passed on as it comes, cut off when it takes longer than the deployment's timeout."""

    def __init__(
        self,
        content: AsyncIterator[bytes],
        status: int,
        headers: dict[str, str],
        end: float,
        release: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(content, status, headers)
        self._end, self._release = end, release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout_at(self._end):
                await super().__call__(scope, receive, send)
        except (TimeoutError, httpx.HTTPError):
            scope["state"]["transport"].abort()
        finally:
            await self._release()


async def score(request: Request) -> Response:
    """POST score and v1/chat/completions: pass the request to a deployment and its answer, streamed, back."""
    parts = services(request)
    try:
        endpoint = _authorized(request)
        deployment, replica = _route(parts, endpoint, request.headers.get(HEADER))
        answer = await _forward(request, deployment, replica)
        if HEADER not in request.headers and endpoint.mirror_traffic:
            answer.background = BackgroundTask(_mirror, parts, endpoint, request)
    except FrontDoorError as error:
        if error.deployment:
            count(parts.store, request.path_params["endpoint"], error.deployment, error.status, parts.clock())
        return PlainTextResponse(str(error), error.status, {"X-Request-ID": str(uuid.uuid4())})
    count(parts.store, endpoint.name, deployment.name, answer.status_code, parts.clock())
    return answer


async def swagger(request: Request) -> Response:
    """GET swagger.json."""
    try:
        return JSONResponse(swagger_json(_authorized(request).name))
    except FrontDoorError as error:
        return PlainTextResponse(str(error), error.status)


def _authorized(request: Request) -> Endpoint:
    parts = services(request)
    endpoint = parts.store.get(ENDPOINT, request.path_params["endpoint"], Endpoint)
    if endpoint is None or not endpoint.ready:
        raise FrontDoorError(404, "")
    header = request.headers.get("authorization")
    scheme, _, credential = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise FrontDoorError(401, "key_auth_bad_header_forbidden")
    if endpoint.wanted.auth_mode == "Key":
        keys = (endpoint.primary_key, endpoint.secondary_key)
        if not any(hmac.compare_digest(credential.encode(), key.encode()) for key in keys):
            raise FrontDoorError(401, "key_auth_access_denied")
        return endpoint
    try:
        parts.tokens.check(header)
    except GatewayError as error:
        raise FrontDoorError(401, str(error)) from None
    claims = jwt.decode(credential, options={"verify_signature": False})
    if endpoint.wanted.auth_mode == "AMLToken" and claims["aud"] != scoring_uri(endpoint.name, parts.workspace):
        raise FrontDoorError(401, "The token is not for this endpoint.")
    return endpoint


def _route(parts: Services, endpoint: Endpoint, asked: str | None) -> tuple[Deployment, Replica]:
    """Return the deployment that the header names, else one drawn by traffic, and its process."""
    name = asked
    if not name:
        weights = {name: percent for name, percent in endpoint.traffic.items() if percent}
        if not weights:
            raise FrontDoorError(404, NO_ROUTE)
        (name,) = random.choices(list(weights), list(weights.values()))
    deployment = parts.store.get(DEPLOYMENT, deployment_key(endpoint.name, name), Deployment)
    if deployment is None or deployment.serving is None:
        raise FrontDoorError(404, "Specified deployment could not be found." if asked else NO_ROUTE)
    replica = parts.deployments.serving(deployment.key)
    if replica is None:
        raise FrontDoorError(502, "upstream connect error or disconnect/reset before headers", name)
    # Twice as many as are worked on: the others wait in the container.
    most = 2 * deployment.request_settings.max_concurrent_requests_per_instance * deployment.sku.capacity
    if replica.active >= most:
        raise FrontDoorError(429, "Too many pending requests", name)
    return deployment, replica


async def _forward(request: Request, deployment: Deployment, replica: Replica) -> Response:
    body = await request.body()
    end, started = asyncio.get_running_loop().time() + _timeout(deployment), time.monotonic()
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{replica.port}", trust_env=False, timeout=None)
    replica.active += 1
    try:
        path = request.path_params["path"]
        asked = client.build_request("POST", f"/{path}", content=body, headers=_content_type(request))
        async with asyncio.timeout_at(end):
            answer = await client.send(asked, stream=True)
    except BaseException as error:
        replica.active -= 1
        await client.aclose()
        if isinstance(error, TimeoutError):
            raise FrontDoorError(408, "upstream request timeout", deployment.name) from None
        if isinstance(error, httpx.HTTPError):
            text = "upstream connect error or disconnect/reset before headers"
            raise FrontDoorError(502, text, deployment.name) from None
        raise

    failed = answer.status_code != 200
    headers = {
        "content-type": answer.headers.get("content-type", "application/json"),
        HEADER: deployment.name,
        "X-Request-ID": str(uuid.uuid4()),
        "x-ms-run-fn-exec-ms": f"{(time.monotonic() - started) * 1000:.3f}",
        "x-ms-run-function-failed": str(failed),
    }
    if failed:
        headers |= {
            "ms-azureml-model-error-reason": "model_error",
            "ms-azureml-model-error-statuscode": str(answer.status_code),
        }

    async def release() -> None:
        replica.active -= 1
        await answer.aclose()
        await client.aclose()

    return _Passed(answer.aiter_raw(), 424 if failed else 200, headers, end, release)


async def _mirror(parts: Services, endpoint: Endpoint, request: Request) -> None:
    """Send a share of the requests to the mirror deployment too; nobody sees its answers, but they are counted."""
    for name, percent in endpoint.mirror_traffic.items():
        if random.random() * 100 >= percent:
            continue
        with contextlib.suppress(FrontDoorError):
            deployment, replica = _route(parts, endpoint, name)
            url = f"http://127.0.0.1:{replica.port}/{request.path_params['path']}"
            async with httpx.AsyncClient(trust_env=False, timeout=_timeout(deployment)) as client:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.post(url, content=await request.body(), headers=_content_type(request))
                    status = 200 if answer.status_code == 200 else 424
                    count(parts.store, endpoint.name, name, status, parts.clock())


def _timeout(deployment: Deployment) -> float:
    return seconds(deployment.request_settings.request_timeout)


def _content_type(request: Request) -> dict[str, str]:
    return {"Content-Type": request.headers.get("content-type", "application/json")}


routes = [
    route("POST", "/endpoints/{endpoint}/{path:path}", score),
    route("GET", "/endpoints/{endpoint}/swagger.json", swagger),
]
