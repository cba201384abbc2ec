"""Online endpoints and their deployments: what is stored, and how each may change."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from core.local_azure.server.errors import MfeError, endpoint_not_found
from core.local_azure.server.store import Store

ENDPOINT = "endpoint"
DEPLOYMENT = "deployment"

_NAME = re.compile(r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,30}[A-Za-z0-9]")
MOST_DEPLOYMENTS = 20
"""Deployments in one endpoint (https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas)."""


class ProvisioningState(StrEnum):
    """Azure ML's provisioning states of endpoints and deployments."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DELETING = "Deleting"


SETTLED = frozenset({ProvisioningState.SUCCEEDED, ProvisioningState.FAILED})

TRANSITIONS: Mapping[ProvisioningState, frozenset[ProvisioningState]] = {
    ProvisioningState.CREATING: SETTLED | {ProvisioningState.DELETING},
    ProvisioningState.UPDATING: SETTLED | {ProvisioningState.DELETING},
    ProvisioningState.SUCCEEDED: frozenset({ProvisioningState.UPDATING, ProvisioningState.DELETING}),
    ProvisioningState.FAILED: frozenset({ProvisioningState.UPDATING, ProvisioningState.DELETING}),
    ProvisioningState.DELETING: frozenset(),
}


class Probe(msgspec.Struct, frozen=True, rename="camel"):
    """How a container is asked whether it lives; the defaults are Azure ML's, durations are ISO 8601."""

    failure_threshold: int = 30
    success_threshold: int = 1
    timeout: str = "PT2S"
    period: str = "PT10S"
    initial_delay: str = "PT10S"


class RequestSettings(msgspec.Struct, frozen=True, rename="camel"):
    """How long a request may take and how many may be under way."""

    max_queue_wait: str = "PT0S"
    request_timeout: str = "PT5S"
    max_concurrent_requests_per_instance: int = 1


class ScaleSettings(msgspec.Struct, frozen=True, rename="camel"):
    """How a deployment scales; this workspace knows the default kind only."""

    scale_type: str = "Default"


class Sku(msgspec.Struct, frozen=True, rename="camel"):
    """How many instances a deployment has."""

    name: str = "Default"
    tier: str | None = "Standard"
    capacity: int = 1


class EndpointProperties(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the owner of an endpoint says of it."""

    auth_mode: str = "Key"
    description: str | None = None
    properties: dict[str, str] | None = None
    traffic: dict[str, int] | None = None
    mirror_traffic: dict[str, int] | None = None
    public_network_access: str | None = None


class DeploymentProperties(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the owner of a deployment says of it."""

    model: str | None = None
    instance_type: str | None = None
    endpoint_compute_type: str = "Managed"
    description: str | None = None
    properties: dict[str, str] | None = None
    environment_id: str | None = None
    environment_variables: dict[str, str] | None = None
    code_configuration: dict[str, Any] | None = None
    app_insights_enabled: bool | None = None
    model_mount_path: str | None = None
    private_network_connection: bool | None = None
    egress_public_network_access: str | None = None
    scale_settings: ScaleSettings | None = None
    request_settings: RequestSettings | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An online endpoint.

    `traffic` and `mirror_traffic` are in force, `wanted` is what becomes of them when the update succeeds.
    """

    name: str
    state: ProvisioningState
    wanted: EndpointProperties
    operation: str
    created: datetime
    modified: datetime
    primary_key: str
    secondary_key: str
    tags: dict[str, str] = {}
    traffic: dict[str, int] = {}
    mirror_traffic: dict[str, int] = {}
    ready: bool = False


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment in an endpoint; `serving` is the model, as `ServeSpec` calls it, with which it last came up."""

    name: str
    endpoint: str
    state: ProvisioningState
    wanted: DeploymentProperties
    operation: str
    created: datetime
    modified: datetime
    tags: dict[str, str] = {}
    sku: Sku = Sku()
    serving: str | None = None

    @property
    def key(self) -> str:
        """Return the key under which the deployment is stored."""
        return deployment_key(self.endpoint, self.name)

    @property
    def request_settings(self) -> RequestSettings:
        """Return the request settings in force."""
        return self.wanted.request_settings or RequestSettings()


def deployment_key(endpoint: str, deployment: str) -> str:
    """Return the key under which a deployment is stored; neither name can contain a slash."""
    return f"{endpoint}/{deployment}"


def find_endpoint(store: Store, name: str) -> Endpoint:
    """Return the endpoint called `name`; raises `MfeError` 404."""
    endpoint = store.get(ENDPOINT, name, Endpoint)
    if endpoint is None:
        raise endpoint_not_found(name)
    return endpoint


def find_deployment(store: Store, endpoint: str, name: str) -> Deployment:
    """Return a deployment; raises `MfeError` 404 without it or its endpoint."""
    find_endpoint(store, endpoint)
    deployment = store.get(DEPLOYMENT, deployment_key(endpoint, name), Deployment)
    if deployment is None:
        detail = ("NoSuchDeployment", f"Deployment with name {name} was not found in endpoint {endpoint}.")
        raise MfeError(404, "NotFound", "The specified resource was not found.", details=(detail,))
    return deployment


def deployments(store: Store, endpoint: str) -> list[Deployment]:
    """Return the deployments of an endpoint, oldest first."""
    return [found for found in store.list(DEPLOYMENT, Deployment) if found.endpoint == endpoint]


def check_name(kind: str, name: str) -> None:
    """Raise `MfeError` 400 unless `name` has 3 to 32 letters, digits and single hyphens, a letter first."""
    if not _NAME.fullmatch(name):
        raise refused(
            f"The {kind} name {name} is invalid. It must be 3 to 32 characters long, begin with a letter, be followed "
            "by letters, digits or single hyphens, and not end with a hyphen."
        )


def check_traffic(traffic: Mapping[str, int], mirror: Mapping[str, int], known: Mapping[str, Deployment]) -> None:
    """Raise `MfeError` 400 unless the traffic goes to existing, working deployments and sums to 0 or 100 percent."""
    for name in (*traffic, *mirror):
        if name not in known:
            raise refused(f"The traffic names the deployment {name}, which does not exist in this endpoint.")
    for name, percent in traffic.items():
        if not 0 <= percent <= 100:
            raise refused(f"The traffic of deployment {name} must be between 0 and 100 percent.")
        if percent and known[name].state is not ProvisioningState.SUCCEEDED:
            raise refused(
                f"The deployment {name} is in {known[name].state} provisioning state and cannot receive traffic."
            )
    if sum(traffic.values()) not in (0, 100):
        raise refused(f"The sum of all traffic must be 0 or 100 percent, not {sum(traffic.values())}.")
    # https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints
    if len(mirror) > 1 or any(not 0 <= percent <= 50 for percent in mirror.values()):
        raise refused("Traffic can be mirrored to one deployment only, with at most 50 percent.")


def move_endpoint(endpoint: Endpoint, state: ProvisioningState, at: datetime) -> Endpoint:
    """Return `endpoint` in `state`, its traffic the wanted one once it succeeds.

    Raises ValueError for an unknown transition.
    """
    _check(endpoint.name, endpoint.state, state)
    moved = msgspec.structs.replace(endpoint, state=state, modified=at)
    if state is not ProvisioningState.SUCCEEDED:
        return moved
    wanted = endpoint.wanted
    return msgspec.structs.replace(
        moved, traffic=wanted.traffic or {}, mirror_traffic=wanted.mirror_traffic or {}, ready=True
    )


def without_deployment(endpoint: Endpoint, name: str) -> Endpoint:
    """Return `endpoint` with no traffic to the deployment `name`, now or wanted."""

    def rest(traffic: dict[str, int] | None) -> dict[str, int]:
        return {other: percent for other, percent in (traffic or {}).items() if other != name}

    wanted = endpoint.wanted
    wanted = msgspec.structs.replace(wanted, traffic=rest(wanted.traffic), mirror_traffic=rest(wanted.mirror_traffic))
    traffic, mirror = rest(endpoint.traffic), rest(endpoint.mirror_traffic)
    return msgspec.structs.replace(endpoint, wanted=wanted, traffic=traffic, mirror_traffic=mirror)


def move_deployment(deployment: Deployment, state: ProvisioningState, at: datetime) -> Deployment:
    """Return `deployment` in `state`; raises ValueError for an unknown transition."""
    _check(deployment.name, deployment.state, state)
    return msgspec.structs.replace(deployment, state=state, modified=at)


def new_key() -> str:
    """Return a fresh endpoint key."""
    return secrets.token_urlsafe(24)


def refused(message: str, *details: tuple[str, str]) -> MfeError:
    """Return the error with which a request about an endpoint is refused."""
    return MfeError(400, "BadRequest", message, inner=("BadArgument",), details=details)


def _check(name: str, state: ProvisioningState, target: ProvisioningState) -> None:
    if target not in TRANSITIONS[state]:
        raise ValueError(f"{name} cannot go from {state} to {target}")
