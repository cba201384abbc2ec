"""Starts and stops what runs the engine, with the server."""

from functools import partial

from core.local_azure.server import operations, rollout, state_computes
from core.local_azure.server.operations import Operation, OperationKind
from core.local_azure.server.services import Services


def begin(services: Services) -> None:
    """Go on with the jobs and deployments that a former server left."""
    rollout.take_up(services)
    services.jobs.begin(nodes=partial(_nodes, services), canceled=partial(_canceled, services))


def stop(services: Services) -> None:
    """Terminate all processes of the engine; what they worked on is taken up by the next `begin`."""
    services.jobs.stop()
    services.deployments.stop()


def _nodes(services: Services, compute: str) -> int:
    found = state_computes.find(services, compute)
    return found.options.scale_settings.max_node_count if found else 1


def _canceled(services: Services, job: str) -> None:
    name = f"{OperationKind.CANCEL}:{services.workspace.workspace_id}:{job}"
    operation = services.store.get("operation", name, Operation)
    if operation:
        operations.finish(services, operation)
