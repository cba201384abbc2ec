"""What every route needs, built once by `app.build_app`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from core.clock import AdjustableClock
from core.local_azure.server.faults import Faults
from core.local_azure.server.identity import Tokens
from core.local_azure.server.store import Store
from core.local_azure.server.supervisor_deployments import DeploymentSupervisor
from core.local_azure.server.supervisor_jobs import JobSupervisor
from core.local_azure.server.workspace import Workspace


@dataclass(frozen=True)
class Services:
    """The parts shared by all routes.

    `folder` holds everything on disk; each resource with files has a subfolder of its own.
    `workers` runs what must outlive a request; `ca_file` verifies this server's own certificate.
    `jobs` runs the stages of jobs, `deployments` the processes that serve.
    `beginners` and `stoppers` are what each resource does in `begin_work` and `stop_work`; `app` lists them.
    """

    workspace: Workspace
    folder: Path
    store: Store
    clock: AdjustableClock
    tokens: Tokens
    faults: Faults
    workers: ThreadPoolExecutor
    ca_file: Path
    jobs: JobSupervisor
    deployments: DeploymentSupervisor
    beginners: list[Callable[["Services"], None]] = field(default_factory=list)
    stoppers: list[Callable[["Services"], None]] = field(default_factory=list)

    def begin_work(self) -> None:
        """Take up the work of all resources: at the start, when a former server may have died, and after a reset."""
        for begin in self.beginners:
            begin(self)

    def stop_work(self) -> None:
        """Stop the work of all resources: terminate engine processes and wait for them."""
        for stop in self.stoppers:
            stop(self)

    @property
    def blobs(self) -> Path:
        """Return the folder under which each container is a folder of files."""
        return self.folder / "blobs"


def services(request: Request) -> Services:
    """Return the services of the application that answers `request`."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found
