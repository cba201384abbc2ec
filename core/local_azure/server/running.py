"""Starts and stops the server: its folder, port and certificate, and the environment with which clients find it."""

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import certifi
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from core.clock import AdjustableClock, Clock, system_clock
from core.errors import ConfigurationError
from core.local_azure.server.app import build_app, build_services
from core.local_azure.server.control_client import Control
from core.local_azure.server.processes import ENGINE, Engine
from core.local_azure.server.workspace import Workspace, load_workspace, new_workspace, save_workspace


@dataclass(frozen=True)
class RunningAzure:
    """A server that answers: its URL, the environment that points the SDKs at it, and its control plane."""

    url: str
    workspace: Workspace
    folder: Path
    ca_file: Path
    environment: dict[str, str]
    control: Control


class _Protocol(H11Protocol):
    """HTTP over connections that a fault can cut, and that are cut when the server stops."""

    def connection_made(self, transport: object) -> None:
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)  # type: ignore[arg-type]

    def shutdown(self) -> None:
        super().shutdown()
        # An idle TLS connection would otherwise wait for the client's goodbye.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


@contextmanager
def running_azure(
    folder: Path, clock: Clock = system_clock, port: int = 0, engine: Engine = ENGINE
) -> Iterator[RunningAzure]:
    """Serve the workspace kept in `folder` from a thread for the length of the block.

    `port` 0 means the folder's own port, or a free one for a new folder. Raises `ConfigurationError` when the port is
    in use or is not the folder's.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    listening, workspace = _listen(folder, port)
    with closing(listening):
        certificates = _certificates(folder / "tls")
        adjustable = clock if isinstance(clock, AdjustableClock) else AdjustableClock(clock)
        ready = threading.Event()
        services = build_services(workspace, folder, adjustable, certificates.authority, engine)
        server = uvicorn.Server(
            uvicorn.Config(
                build_app(services, ready.set),
                http=_Protocol,
                ssl_certfile=certificates.chain,
                log_level="warning",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=2,
                # A client that keeps its connections open must not be cut off between two polls.
                timeout_keep_alive=75,
            )
        )

        def serve() -> None:
            try:
                server.run(sockets=[listening])
            finally:
                ready.set()

        thread = threading.Thread(target=serve, name="local-azure")
        thread.start()
        ready.wait()
        if not thread.is_alive():
            raise ConfigurationError("The local Azure ML server could not start.", next="See its log above.")
        try:
            with Control(workspace.url, workspace.control_token, certificates.authority) as control:
                environment = client_environment(workspace, certificates.bundle)
                yield RunningAzure(workspace.url, workspace, folder, certificates.authority, environment, control)
        finally:
            server.should_exit = True
            thread.join()


def client_environment(workspace: Workspace, bundle: Path) -> dict[str, str]:
    """Return the environment with which unmodified azure-ai-ml and azure-identity talk to this server."""
    url = workspace.url
    unproxied = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1")))
    return {
        "NO_PROXY": unproxied,
        "no_proxy": unproxied,
        "REQUESTS_CA_BUNDLE": str(bundle),
        "SSL_CERT_FILE": str(bundle),
        "ARM_CLOUD_METADATA_URL": f"{url}/metadata/endpoints",
        "AZUREML_CURRENT_CLOUD": workspace.cloud,
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{url}/",
        "IDENTITY_ENDPOINT": f"{url}/msi/token",
        "IDENTITY_HEADER": workspace.identity_header,
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "AZURE_SUBSCRIPTION_ID": workspace.subscription,
        "AZURE_RESOURCE_GROUP": workspace.resource_group,
        "AZURE_ML_WORKSPACE": workspace.name,
        "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
        "AZUREML_RUN_POLLING_INTERVAL_MAX": "2",
        "LOCAL_AZURE_CONTROL_URL": f"{url}/_control",
        "LOCAL_AZURE_CONTROL_TOKEN": workspace.control_token,
    }


@dataclass(frozen=True)
class Certificates:
    """PEM files: the folder's own `authority`, the server's `chain` with its key, the `bundle` of all trusted ones."""

    authority: Path
    chain: Path
    bundle: Path


def _certificates(folder: Path, environment: Mapping[str, str] = os.environ) -> Certificates:
    """Return the folder's certificates, made once; the bundle also holds those the caller already trusts."""
    try:
        import trustme
    except ImportError:
        raise ConfigurationError(
            "The local Azure ML server needs the packages of the `local` extra.",
            next="Install them with: pip install 'finetune-bot[local]'",
        ) from None
    found = Certificates(folder / "authority.pem", folder / "server.pem", folder / "bundle.pem")
    if not found.chain.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        authority = trustme.CA(organization_name="finetune-bot local Azure ML")
        authority.cert_pem.write_to_path(found.authority)
        # Whole or not at all: a disk that was full once would otherwise leave half a certificate for ever.
        written = found.chain.with_suffix(".new")
        written.touch(mode=0o600)
        authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(written)
        written.replace(found.chain)
    trusted = environment.get("REQUESTS_CA_BUNDLE") or environment.get("SSL_CERT_FILE") or certifi.where()
    world = Path(trusted) if Path(trusted).is_file() and Path(trusted) != found.bundle else Path(certifi.where())
    found.bundle.write_bytes(world.read_bytes() + b"\n" + found.authority.read_bytes())
    return found


def _listen(folder: Path, port: int) -> tuple[socket.socket, Workspace]:
    """Return a bound socket and the folder's workspace, which keeps the socket's port for ever."""
    workspace = load_workspace(folder)
    if workspace and port and port != workspace.port:
        raise ConfigurationError(
            f"The workspace in {folder} belongs to port {workspace.port}, not {port}: its resources contain its URL.",
            next=f"Use port {workspace.port} or another folder.",
        )
    wanted = workspace.port if workspace else port
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", wanted))
        # Already now, so that a second server on this port fails and no client is refused before uvicorn accepts.
        listening.listen(2048)
    except OSError:
        listening.close()
        raise ConfigurationError(
            f"Port {wanted} of 127.0.0.1 is in use.",
            next="Stop the other server (perhaps one on the same folder), or use another folder and port.",
        ) from None
    if workspace is None:
        workspace = new_workspace(listening.getsockname()[1], system_clock)
        save_workspace(folder, workspace)
    return listening, workspace
