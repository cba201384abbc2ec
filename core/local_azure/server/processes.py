"""The engine's processes: started in a group of their own, ended politely and then not, found by the next server."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.local_azure.server.state_jobs import ProcessMark


@dataclass(frozen=True)
class Engine:
    """The commands that do the work, each followed by the path of a specification.

    `grace` is the seconds between SIGTERM and SIGKILL.
    """

    stage: tuple[str, ...] = (sys.executable, "-m", "core.local_azure.engine", "stage")
    serve: tuple[str, ...] = (sys.executable, "-m", "core.local_azure.engine", "serve")
    grace: float = 10.0


ENGINE = Engine()


def start(command: Sequence[str], specification: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start ``command specification`` in a new process group, its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, str(specification)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def mark(process: subprocess.Popen[bytes]) -> ProcessMark | None:
    """Return what to remember of `process`, or None if it is already gone."""
    try:
        return ProcessMark(process.pid, psutil.Process(process.pid).create_time())
    except psutil.NoSuchProcess:
        return None


def end(process: subprocess.Popen[bytes], grace: float) -> None:
    """End `process` and its group: SIGTERM, and SIGKILL after `grace` seconds; return when it is gone."""
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    # Also after a polite end: a child of the process may have stayed.
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def end_orphan(remembered: ProcessMark | None) -> None:
    """Kill a process group that an earlier server left behind.

    Do nothing if it is gone or its id belongs to another process now.
    """
    if remembered is None:
        return
    try:
        process = psutil.Process(remembered.pid)
        # Clocks of processes are compared as psutil tells them; the same process always tells the same.
        if abs(process.create_time() - remembered.created) > 1.0:
            return
        _signal(remembered.pid, signal.SIGKILL)
        process.wait(10)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return


def _signal(group: int, number: int) -> None:
    # PermissionError is what macOS says of a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
