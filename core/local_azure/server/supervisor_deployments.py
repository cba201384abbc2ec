"""Keeps the processes of deployments alive: starts them, waits until they answer, starts them again when they die."""

import contextlib
import logging
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx
import msgspec

from core.local_azure.server import processes
from core.local_azure.server.processes import Engine
from core.local_azure.server.state_jobs import ProcessMark
from core.local_azure.server.store import Store
from core.local_azure.work import ServeSpec

PROCESS = "deployment process"
LOOK_EVERY = 0.2
"""Seconds between two looks at a starting process; Azure ML looks once per period of the probe."""
LONGEST_PAUSE = 60.0
"""Seconds, at most, between two starts of a process that keeps dying."""

log = logging.getLogger(__name__)


class Replica:
    """One started process of a deployment; `active` counts the requests under way and is the event loop's own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, model: str) -> None:
        self.process, self.port, self.model = process, port, model
        self.active = 0


class DeploymentSupervisor:
    """The processes that serve, by the key of their deployment."""

    def __init__(self, store: Store, folder: Path, engine: Engine) -> None:
        """`folder` holds a folder for each deployment with its specification and logs."""
        self._store, self._folder, self._engine = store, folder, engine
        self._lock = threading.RLock()
        self._serving: dict[str, Replica] = {}
        self._starting: dict[str, Replica] = {}
        self._stopping = threading.Event()

    @property
    def stopping(self) -> bool:
        """Return whether the server is going down, so that an unfinished rollout is no failure."""
        return self._stopping.is_set()

    def begin(self) -> None:
        """Kill what a former server left running."""
        self._stopping.clear()
        for kept in self._store.list(PROCESS, KeptProcess):
            processes.end_orphan(kept.mark)
            self._store.delete(PROCESS, kept.name)

    def stop(self) -> None:
        """End all processes; the next server starts them again."""
        self._stopping.set()
        with self._lock:
            replicas = [*self._serving.values(), *self._starting.values()]
            self._serving.clear()
        for replica in replicas:
            self._end(replica)

    def serving(self, key: str) -> Replica | None:
        """Return the process that answers the requests of a deployment, or None while there is none."""
        replica = self._serving.get(key)
        return replica if replica and replica.process.poll() is None else None

    def model(self, key: str) -> str | None:
        """Return which model a deployment's process serves, or None while it has none."""
        replica = self._serving.get(key)
        return replica.model if replica else None

    def roll_out(self, key: str, model: str, budget: float) -> bool:
        """Start a process that serves `model`, and put it in the former one's place when it answers.

        Returns False when it dies or takes longer than `budget` seconds, and when the deployment was removed meanwhile.
        """
        with self._lock:
            self._starting[key] = replica = self._start(key, model)
        ready = self._ready(replica, budget)
        with self._lock:
            # Somebody may have removed the deployment meanwhile.
            wanted = ready and not self.stopping and self._starting.get(key) is replica
            if self._starting.get(key) is replica:
                del self._starting[key]
            former = self._serving.get(key) if wanted else replica
            if wanted:
                self._serving[key] = replica
        if former:
            self._end(former)
        if wanted:
            threading.Thread(target=self._watch, args=(key, replica), daemon=True).start()
        return wanted

    def remove(self, key: str) -> None:
        """End the processes of a deployment and forget its logs."""
        with self._lock:
            replicas = [self._serving.pop(key, None), self._starting.pop(key, None)]
        for replica in filter(None, replicas):
            self._end(replica)
        shutil.rmtree(self.deployment_folder(key), ignore_errors=True)

    def deployment_folder(self, key: str) -> Path:
        """Return the folder of a deployment."""
        return self._folder / key

    def log_file(self, key: str) -> Path:
        """Return the log of a deployment's processes."""
        return self._folder / key / "inference-server.txt"

    def _start(self, key: str, model: str) -> Replica:
        folder = self.deployment_folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        specification = folder / f"serve-{port}.json"
        specification.write_bytes(msgspec.json.encode(ServeSpec(model=model, port=port, folder=folder), enc_hook=str))
        process = processes.start(self._engine.serve, specification, self.log_file(key))
        if mark := processes.mark(process):
            name = f"{key}:{port}"
            self._store.put(PROCESS, name, KeptProcess(name, mark))
        return Replica(process, port, model)

    def _ready(self, replica: Replica, budget: float) -> bool:
        end = time.monotonic() + budget
        with httpx.Client(base_url=f"http://127.0.0.1:{replica.port}", trust_env=False, timeout=2) as client:
            while time.monotonic() < end and replica.process.poll() is None:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/").status_code == 200:
                        return True
                if self._stopping.wait(LOOK_EVERY):
                    return False
        return False

    def _watch(self, key: str, replica: Replica) -> None:
        """Start the process again whenever it dies by itself, as Azure ML does with a container; pauses grow."""
        pause = LOOK_EVERY
        while True:
            started = time.monotonic()
            replica.process.wait()
            if self._stopping.wait(pause):
                return
            with self._lock:
                if self._serving.get(key) is not replica or self.stopping:
                    return
                log.warning("the process of deployment %s died and is started again", key)
                self._serving[key] = replica = self._start(key, replica.model)
            steady = time.monotonic() - started > LONGEST_PAUSE
            pause = LOOK_EVERY if steady else min(pause * 2, LONGEST_PAUSE)

    def _end(self, replica: Replica) -> None:
        processes.end(replica.process, self._engine.grace)


class KeptProcess(msgspec.Struct, frozen=True):
    """A process that must not outlive the server; `name` is its deployment's key and its port."""

    name: str
    mark: ProcessMark


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
