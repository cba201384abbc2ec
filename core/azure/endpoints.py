"""Managed online endpoints and their deployments: begun, read, tagged, deleted; never waited for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.azure.clients import word
from core.azure.errors import calling, is_not_found, scrub
from core.azure.types import DeploymentRequest, DeploymentSnapshot, EndpointSnapshot, ScoringTarget
from core.errors import AzureError, AzureUnavailable, NotFoundError

if TYPE_CHECKING:
    from core.azure.clients import Clients

# A tuned model takes minutes to load: azureml-examples#3983 asks for long periods on both probes. Seconds.
_LIVENESS = {"initial_delay": 600, "period": 100, "timeout": 10, "failure_threshold": 30}
_READINESS = {"initial_delay": 60, "period": 60, "timeout": 10, "failure_threshold": 30}
_CHANGING = frozenset({"Creating", "Updating", "Deleting"})


def endpoint(clients: Clients, name: str) -> EndpointSnapshot | None:
    """Return the endpoint `name`; None when there is none."""
    found = _endpoint(clients, name)
    return None if found is None else _snapshot(found)


def endpoints(clients: Clients) -> tuple[EndpointSnapshot, ...]:
    """Return every online endpoint of the workspace."""
    with calling("list the endpoints"):
        return tuple(_snapshot(found) for found in clients.workspace.online_endpoints.list())


def begin_create_endpoint(clients: Clients, name: str, tags: Mapping[str, str], description: str) -> None:
    """Ask for an endpoint with key authentication; one that exists already and did not fail is left as it is."""
    existing = endpoint(clients, name)
    if existing is not None and existing.state != "Failed":
        return
    with calling(f"create the endpoint {name}"):
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        wanted = ManagedOnlineEndpoint(name=name, auth_mode="key", tags=dict(tags), description=description)
        clients.workspace.online_endpoints.begin_create_or_update(wanted)


def begin_create_deployment(clients: Clients, request: DeploymentRequest) -> None:
    """Ask for a deployment; one that exists already and did not fail is left as it is."""
    existing = deployment(clients, request.endpoint, request.name)
    if existing is not None and existing.state != "Failed":
        return
    with calling(f"deploy {request.name} on the endpoint {request.endpoint}"):
        from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings, ProbeSettings

        wanted = ManagedOnlineDeployment(
            name=request.name,
            endpoint_name=request.endpoint,
            model=request.model_id,
            instance_type=request.instance_type,
            instance_count=request.instance_count,
            liveness_probe=ProbeSettings(**_LIVENESS),
            readiness_probe=ProbeSettings(**_READINESS),
            request_settings=OnlineRequestSettings(
                request_timeout_ms=request.request_timeout_ms,
                max_concurrent_requests_per_instance=request.concurrent_requests,
            ),
            tags=dict(request.tags),
        )
        clients.workspace.online_deployments.begin_create_or_update(wanted)


def deployment(clients: Clients, endpoint_name: str, name: str) -> DeploymentSnapshot | None:
    """Return the deployment `name` of an endpoint, with Azure's error if it failed; None when there is none."""
    with calling(f"read the deployment {name} of {endpoint_name}"):
        try:
            found = clients.workspace.online_deployments.get(name, endpoint_name)
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        state = word(found.provisioning_state)
        reason = _operation_error(clients, found.properties or {}) if state == "Failed" else ""
    return DeploymentSnapshot(name, state, str(found.instance_type or ""), int(found.instance_count or 0), reason)


def deployment_logs(clients: Clients, endpoint_name: str, name: str, lines: int) -> tuple[str, ...]:
    """Return the last `lines` lines of the deployment's inference server."""
    with calling(f"read the log of {name} on {endpoint_name}"):
        text = clients.workspace.online_deployments.get_logs(name, endpoint_name, lines)
    return tuple(scrub(line) for line in str(text).splitlines()[-lines:])


def begin_set_traffic(clients: Clients, name: str, deployment_name: str, percent: int) -> None:
    """Send `percent` of the endpoint's requests to one deployment and none to the others.

    Raises `NotFoundError` without the endpoint, `AzureUnavailable` while the endpoint is being changed.
    """
    found = _settled(clients, name)
    if {to: share for to, share in (found.traffic or {}).items() if share} == {deployment_name: percent}:
        return
    found.traffic = {deployment_name: percent}
    with calling(f"route the requests of {name}"):
        clients.workspace.online_endpoints.begin_create_or_update(found)


def tag_endpoint(clients: Clients, name: str, tags: Mapping[str, str]) -> None:
    """Add `tags` to those of the endpoint, and begin to write them.

    Raises `NotFoundError` without the endpoint, `AzureUnavailable` while the endpoint is being changed.
    """
    found = _settled(clients, name)
    merged = {**(found.tags or {}), **tags}
    if merged == (found.tags or {}):
        return
    found.tags = merged
    with calling(f"tag the endpoint {name}"):
        clients.workspace.online_endpoints.begin_create_or_update(found)


def begin_delete_endpoint(clients: Clients, name: str) -> None:
    """Ask Azure to delete the endpoint with its deployments; one that is gone or going is left alone."""
    existing = endpoint(clients, name)
    if existing is None or existing.state == "Deleting":
        return
    with calling(f"delete the endpoint {name}"):
        clients.workspace.online_endpoints.begin_delete(name)


def scoring_target(clients: Clients, name: str) -> ScoringTarget:
    """Return where and with what key to ask the endpoint, and the deployment that gets its requests.

    Raises `NotFoundError` without the endpoint, `AzureUnavailable` before it has an address.
    """
    found = _present(clients, name)
    if not found.scoring_uri:
        raise AzureUnavailable(
            f"The endpoint {name} has no address yet.", why=f"It is {word(found.provisioning_state)}."
        )
    with calling(f"read the key of {name}"):
        keys = clients.workspace.online_endpoints.get_keys(name)
    key = getattr(keys, "primary_key", None) or getattr(keys, "access_token", None) or ""
    serving = [to for to, share in (found.traffic or {}).items() if share]
    return ScoringTarget(str(found.scoring_uri), str(key), serving[0] if len(serving) == 1 else "")


def _endpoint(clients: Clients, name: str) -> Any:
    """Return the SDK's endpoint or None; traffic names every deployment, those without requests with 0."""
    with calling(f"read the endpoint {name}"):
        try:
            return clients.workspace.online_endpoints.get(name)
        except Exception as error:
            if is_not_found(error):
                return None
            raise


def _present(clients: Clients, name: str) -> Any:
    found = _endpoint(clients, name)
    if found is None:
        raise NotFoundError(f"There is no endpoint {name}.", why="It was deleted or never created.")
    return found


def _settled(clients: Clients, name: str) -> Any:
    """Return an endpoint that may be written back whole: while one changes, Azure still shows its old traffic."""
    found = _present(clients, name)
    state = word(found.provisioning_state)
    if state in _CHANGING:
        raise AzureUnavailable(
            f"The endpoint {name} is being changed.", why=f"It is {state}.", next="It is tried again."
        )
    return found


def _snapshot(found: Any) -> EndpointSnapshot:
    return EndpointSnapshot(
        name=str(found.name),
        state=word(found.provisioning_state),
        scoring_uri=str(found.scoring_uri) if found.scoring_uri else None,
        traffic={str(to): int(share) for to, share in (found.traffic or {}).items()},
        tags={str(key): str(value) for key, value in (found.tags or {}).items()},
    )


def _operation_error(clients: Clients, properties: Mapping[str, str]) -> str:
    """Return the error of the operation that made a resource, "" when Azure no longer keeps it.

    A resource shows only that it failed; its property AzureAsyncOperationUri leads to the operation that says why.
    """
    url = properties.get("AzureAsyncOperationUri")
    if not url:
        return ""
    try:
        with calling("read the failed operation"):
            error = clients.rest.get(url).get("error") or {}
    except AzureError:
        return ""
    code, message = str(error.get("code") or ""), scrub(str(error.get("message") or ""))
    details = " ".join(scrub(str(detail.get("message") or "")) for detail in error.get("details") or ())
    return f"{code}: {message} {details}".strip(": ")
