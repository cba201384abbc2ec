"""The application: services, routes as data, and the gate in front of them."""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from core.clock import AdjustableClock
from core.local_azure.server import control, identity, operations, state_computes, supervision
from core.local_azure.server.errors import BlobError, GatewayError, MfeError, handle
from core.local_azure.server.faults import Faults
from core.local_azure.server.gate import Gate
from core.local_azure.server.identity import Tokens
from core.local_azure.server.processes import Engine
from core.local_azure.server.routes import (
    blobs,
    computes,
    datastores,
    deployments,
    endpoints,
    history,
    jobs,
    metrics,
    mlflow,
    models,
    registry,
    scoring,
    workspace,
)
from core.local_azure.server.services import Services
from core.local_azure.server.store import Store
from core.local_azure.server.supervisor_deployments import DeploymentSupervisor
from core.local_azure.server.supervisor_jobs import JOB_LIFETIME, JobPlaces, JobSupervisor
from core.local_azure.server.workspace import Workspace

ROUTES: list[BaseRoute] = [
    Route("/metadata/endpoints", identity.metadata),
    Route("/msi/token", identity.token),
    *workspace.routes,
    *registry.routes,
    *computes.routes,
    *datastores.routes,
    *blobs.routes,
    *models.routes,
    *jobs.routes,
    *history.routes,
    *mlflow.routes,
    *endpoints.routes,
    *deployments.routes,
    *metrics.routes,
    *scoring.routes,
    *operations.routes,
    *control.routes,
]

BEGINNERS: list[Callable[[Services], None]] = [state_computes.take_up, supervision.begin]
"""What takes up the work that a former server left behind, called when the server starts and after a reset."""

STOPPERS: list[Callable[[Services], None]] = [supervision.stop]
"""What terminates a resource's processes, called when the server stops and before a reset."""


def build_services(
    workspace: Workspace, folder: Path, clock: AdjustableClock, ca_file: Path, engine: Engine
) -> Services:
    """Return the services of `workspace`, whose state is in `folder`."""
    store = Store(folder / "state.db")
    tokens = Tokens(workspace.signing_key, workspace.tenant, workspace.url)
    places = JobPlaces(
        blobs=folder / "blobs",
        container=workspace.container,
        work=folder / "work",
        tracking_uri=workspace.tracking_uri.replace("azureml://", "https://"),
        ca_file=ca_file,
    )
    return Services(
        workspace=workspace,
        folder=folder,
        store=store,
        clock=clock,
        tokens=tokens,
        jobs=JobSupervisor(store, clock, places, partial(tokens.mint, lifetime=JOB_LIFETIME), engine),
        deployments=DeploymentSupervisor(store, folder / "deployments", engine),
        faults=Faults(),
        workers=ThreadPoolExecutor(max_workers=16, thread_name_prefix="local-azure"),
        ca_file=ca_file,
        beginners=BEGINNERS,
        stoppers=STOPPERS,
    )


def build_app(services: Services, started: Callable[[], None] = lambda: None) -> Starlette:
    """Return the application; `started` is called when it is ready to answer."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        services.begin_work()
        started()
        yield
        services.stop_work()
        services.workers.shutdown()
        services.store.close()

    application = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[Middleware(Gate, services=lambda: services)],
        exception_handlers=dict.fromkeys((MfeError, GatewayError, BlobError, HTTPException, Exception), handle),
    )
    application.state.services = services
    return application
