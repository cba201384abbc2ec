"""The managed identity of this machine: signed tokens, and the check that every call carries one.

Routes: the App Service identity protocol that azure-identity's ManagedIdentityCredential speaks.
"""

import hmac
import uuid
from datetime import timedelta
from urllib.parse import urlsplit

import jwt
from jwt.types import Options
from starlette.requests import Request
from starlette.responses import JSONResponse

from core.clock import Clock, system_clock
from core.local_azure.server.errors import GatewayError, MfeError
from core.local_azure.server.workspace import STORAGE_SUFFIX

LIFETIME = timedelta(hours=24)


class Tokens:
    """Mints and verifies the bearer tokens of one workspace.

    Expiry is told by the machine's own time, not by the adjustable clock: credentials cache tokens by that time.
    """

    def __init__(self, signing_key: str, tenant: str, url: str, clock: Clock = system_clock) -> None:
        self._key, self._tenant, self._clock, self._url = signing_key, tenant, clock, url
        hosts = {"management.azure.com", "management.core.windows.net", "ml.azure.com", "storage.azure.com"}
        self._hosts = hosts | {urlsplit(url).netloc}

    def mint(self, audience: str | None = None, lifetime: timedelta = LIFETIME) -> str:
        """Return a token for `audience`, this server when None."""
        now = self._clock()
        claims = {
            "tid": self._tenant,
            "oid": self._tenant,
            "iss": f"{self._url}/{self._tenant}/",
            "aud": (audience or self._url).rstrip("/"),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def check(self, authorization: str | None) -> None:
        """Raise `GatewayError` 401 in the gateway's words unless the header carries a valid token of this workspace."""
        if not authorization:
            raise self._refused("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise self._refused(
                "AuthenticationFailedInvalidHeader",
                "Authentication failed. The 'Authorization' header is provided in an invalid format.",
            )
        # The time claims are compared below, with this object's clock.
        options: Options = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], options=options)
        except jwt.InvalidTokenError:
            raise self._refused("InvalidAuthenticationToken", "The access token is invalid.") from None
        if claims["exp"] <= self._clock().timestamp():
            raise self._refused("ExpiredAuthenticationToken", "The access token has expired.")
        if urlsplit(claims["aud"]).netloc not in self._hosts:
            message = f"The access token has been obtained for wrong audience or resource '{claims['aud']}'."
            raise self._refused("InvalidAuthenticationTokenAudience", message)

    def _refused(self, code: str, message: str) -> GatewayError:
        authority = f"{self._url}/{self._tenant}"
        challenge = f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{message}"'
        return GatewayError(401, code, message, {"WWW-Authenticate": challenge})


async def token(request: Request) -> JSONResponse:
    """Answer ManagedIdentityCredential: a token for the resource it names, if it knows the identity header."""
    services = request.app.state.services
    header = request.headers.get("x-identity-header", "")
    if not hmac.compare_digest(header.encode(), services.workspace.identity_header.encode()):
        raise MfeError(401, "Unauthorized", "The X-IDENTITY-HEADER is missing or wrong.")
    resource = request.query_params.get("resource")
    if not resource:
        raise MfeError(400, "BadRequest", "The resource parameter is required.")
    expires = int((system_clock() + LIFETIME).timestamp())
    body = {"access_token": services.tokens.mint(resource), "expires_on": str(expires), "resource": resource}
    return JSONResponse({**body, "token_type": "Bearer", "client_id": services.workspace.tenant})


async def metadata(request: Request) -> JSONResponse:
    """Answer the cloud metadata request with which azure-ai-ml finds the addresses of a cloud."""
    workspace = request.app.state.services.workspace
    url = workspace.url
    cloud = {
        "name": workspace.cloud,
        "portal": url,
        # azure-ai-ml takes this cloud only if this is part of the metadata URL itself.
        "resourceManager": f"{url}/",
        "authentication": {
            "loginEndpoint": f"{url}/",
            "audiences": [url],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {"storage": STORAGE_SUFFIX, "keyVaultDns": "vault.local"},
        "graph": url,
        "graphAudience": url,
        "media": url,
        "batch": url,
        "gallery": url,
        "sqlManagement": url,
        "vmImageAliasDoc": url,
        "activeDirectoryDataLake": url,
    }
    return JSONResponse([cloud])
