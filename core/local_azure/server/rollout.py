"""Carries out what was asked of endpoints and deployments, in the background, and says so to the operation."""

import contextlib
import time
from pathlib import Path

import msgspec

from core.local_azure.server import operations, registry, state_models
from core.local_azure.server.durations import seconds
from core.local_azure.server.errors import MfeError
from core.local_azure.server.operations import Action, Operation, OperationKind
from core.local_azure.server.services import Services
from core.local_azure.server.state_endpoints import (
    DEPLOYMENT,
    ENDPOINT,
    Deployment,
    Endpoint,
    Probe,
    ProvisioningState,
    deployment_key,
    deployments,
    move_deployment,
    move_endpoint,
    without_deployment,
)
from core.local_azure.server.wire import mfe_time

CRASHED = (
    "User container has crashed or terminated. Please see troubleshooting guide, available here: "
    "https://aka.ms/oe-tsg#error-resourcenotready"
)
EXCERPT = 20
"""Lines of the log that an operation's error quotes."""


def carry_out(services: Services, operation: Operation) -> None:
    """Do what `operation`, on an endpoint or a deployment, asks for."""
    parts = operation.resource.split("/onlineEndpoints/")[1].split("/")
    endpoint = parts[0]
    if operation.kind is OperationKind.DEPLOYMENT and operation.action is Action.DELETE:
        _delete_deployment(services, endpoint, parts[2], operation)
    elif operation.kind is OperationKind.DEPLOYMENT:
        _roll_out(services, deployment_key(endpoint, parts[2]), operation)
    elif operation.action is Action.DELETE:
        _delete_endpoint(services, endpoint, operation)
    else:
        _settle_endpoint(services, endpoint, operation)


def take_up(services: Services) -> None:
    """Serve again what a former server served, and go on with the operations that it had begun."""
    services.deployments.begin()
    pending = operations.unfinished(services, OperationKind.ENDPOINT, OperationKind.DEPLOYMENT)
    for operation in pending:
        services.workers.submit(carry_out, services, operation)
    begun = {operation.name for operation in pending}
    for deployment in services.store.list(DEPLOYMENT, Deployment):
        if deployment.serving and deployment.operation not in begun:
            services.workers.submit(
                services.deployments.roll_out, deployment.key, deployment.serving, _budget(deployment)
            )


def servable(services: Services, model: str) -> str | None:
    """Return what a `ServeSpec` calls the model with this id, of the workspace or the registry.

    None when there is none.
    """
    parts = model.removeprefix("azureml:").split("/")
    name, version = (parts[-3], parts[-1]) if len(parts) > 3 else ("", "")
    if "/registries/" in model:
        known = registry.find_model(name)
        return known.id if known and known.version == version else None
    with contextlib.suppress(MfeError):
        if folder := state_models.model_folder(services, name, version):
            return str(folder)
    return None


def _settle_endpoint(services: Services, name: str, operation: Operation) -> None:
    with services.store.transaction():
        endpoint = services.store.get(ENDPOINT, name, Endpoint)
        if endpoint and endpoint.state not in (ProvisioningState.DELETING, ProvisioningState.SUCCEEDED):
            services.store.put(ENDPOINT, name, move_endpoint(endpoint, ProvisioningState.SUCCEEDED, services.clock()))
        operations.finish(services, operation)


def _delete_endpoint(services: Services, name: str, operation: Operation) -> None:
    for deployment in deployments(services.store, name):
        services.deployments.remove(deployment.key)
        services.store.delete(DEPLOYMENT, deployment.key)
    services.store.delete(ENDPOINT, name)
    operations.finish(services, operation)


def _delete_deployment(services: Services, endpoint: str, name: str, operation: Operation) -> None:
    key = deployment_key(endpoint, name)
    services.deployments.remove(key)
    with services.store.transaction():
        services.store.delete(DEPLOYMENT, key)
        if found := services.store.get(ENDPOINT, endpoint, Endpoint):
            services.store.put(ENDPOINT, endpoint, without_deployment(found, name))
    operations.finish(services, operation)


def _roll_out(services: Services, key: str, operation: Operation) -> None:
    deployment = services.store.get(DEPLOYMENT, key, Deployment)
    if deployment is None or deployment.operation != operation.name:
        return None
    asked = deployment.wanted.model or ""
    model = servable(services, asked)
    _initialize_storage(services, key, asked, model)
    if model is None:
        return _failed(services, deployment, operation, "ResourceNotFound", f"Model {asked} was not found.")
    # Tags, instances and request settings change without a new process.
    if services.deployments.model(key) != model and not services.deployments.roll_out(key, model, _budget(deployment)):
        if services.deployments.stopping:
            return None
        message = f"{CRASHED}\n{_excerpt(services.deployments.log_file(key))}"
        return _failed(services, deployment, operation, "ResourceNotReady", message)
    _settle(services, deployment, ProvisioningState.SUCCEEDED, serving=model)
    return operations.finish(services, operation)


def _failed(services: Services, deployment: Deployment, operation: Operation, code: str, message: str) -> None:
    _settle(services, deployment, ProvisioningState.FAILED, deployment.serving)
    operations.fail(services, operation, code, message)


def _settle(services: Services, deployment: Deployment, state: ProvisioningState, serving: str | None) -> None:
    with services.store.transaction():
        current = services.store.get(DEPLOYMENT, deployment.key, Deployment)
        if current is None or current.operation != deployment.operation:
            return
        settled = move_deployment(current, state, services.clock())
        services.store.put(DEPLOYMENT, current.key, msgspec.structs.replace(settled, serving=serving))


def _budget(deployment: Deployment) -> float:
    """Return how many seconds a deployment has until its container must answer."""
    probe = deployment.wanted.liveness_probe or Probe()
    return seconds(probe.initial_delay) + seconds(probe.period) * probe.failure_threshold


def _initialize_storage(services: Services, key: str, asked: str, model: str | None) -> None:
    """Write what Azure ML's storage initializer would: which model was mounted, and what it consists of."""
    started = time.monotonic()
    lines = [f"Mounting model {asked}"]
    folder = Path(model or "")
    if model is None:
        lines.append("Model was not found.")
    elif folder.is_absolute():
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        lines += [f"{file.relative_to(folder)} {file.stat().st_size} bytes" for file in files]
        lines.append(f"Mounted {len(files)} files in {time.monotonic() - started:.3f} s")
    path = storage_log(services, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{mfe_time(services.clock())} {line}\n" for line in lines)


def storage_log(services: Services, key: str) -> Path:
    """Return the log of a deployment's storage initializer."""
    return services.deployments.deployment_folder(key) / "storage-initializer.txt"


def _excerpt(path: Path) -> str:
    return (
        "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-EXCERPT:]) if path.exists() else ""
    )
