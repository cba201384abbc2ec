"""``finetune-bot azure-ml``: the local workspace for any program that uses azure-ai-ml."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from core.errors import ConfigurationError
from core.local_azure.server.running import RunningAzure, running_azure

MADE_BY = "finetune-bot azure-ml"


def serve(folder: Path, port: int) -> None:
    """Serve the workspace kept in `folder` until SIGINT or SIGTERM, and print what to export to use it."""
    stop = threading.Event()
    with running_azure(folder, port=port) as azure, _on_signals(lambda *_: stop.set()):
        _print(f"# An Azure ML workspace on this machine, at {azure.url}. In another shell:")
        for name, value in azure.environment.items():
            _print(f"export {name}={shlex.quote(value)}")
        _print("# Stop it with Ctrl-C.")
        stop.wait()


def run(folder: Path, command: Sequence[str]) -> int:
    """Run `command` against the workspace kept in `folder` and return its exit status, 128 + N if signal N ended it.

    Signals are passed on. While it runs, `MLClient.from_config` finds the workspace by ``./.azureml/config.json``.
    """
    with running_azure(folder) as azure, _config_file(azure, Path.cwd()):
        try:
            child = subprocess.Popen(command, env={**os.environ, **azure.environment})
        except OSError as error:
            raise ConfigurationError(f"{command[0]} cannot be run.", why=str(error.strerror)) from error

        def forward(number: int, _: FrameType | None) -> None:
            # A terminal has sent its Ctrl-C to the child already.
            if number != signal.SIGINT or not sys.stdin.isatty():
                child.send_signal(number)

        with _on_signals(forward):
            status = child.wait()
    return status if status >= 0 else 128 - status


@contextmanager
def _config_file(azure: RunningAzure, folder: Path) -> Iterator[None]:
    """Keep a workspace file in `folder` for the length of the block.

    azure-ai-ml looks for it only in the working directory and above it, in ``.azureml`` first; no variable names
    another place. A file of the user's own is left alone.
    """
    path = folder / ".azureml" / "config.json"
    if path.exists() and MADE_BY not in path.read_text(errors="replace"):
        _print(f"# {path} is kept: MLClient.from_config finds the workspace that it names.", sys.stderr)
        yield
        return
    workspace = azure.workspace
    names = {
        "subscription_id": workspace.subscription,
        "resource_group": workspace.resource_group,
        "workspace_name": workspace.name,
        "made_by": MADE_BY,
    }
    new_folder = not path.parent.exists()
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(names, indent=2))
    except OSError as error:
        _print(f"# MLClient.from_config will not find the workspace: {path}: {error.strerror}.", sys.stderr)
        yield
        return
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if new_folder:
            # The command may have put something of its own there.
            with suppress(OSError):
                path.parent.rmdir()


@contextmanager
def _on_signals(handler: "signal._HANDLER") -> Iterator[None]:
    """Handle SIGINT, SIGTERM and SIGHUP with `handler` for the length of the block, in the main thread."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, previous in zip(numbers, former, strict=True):
            signal.signal(number, previous)


def _print(line: str, stream: TextIO | None = None) -> None:
    print(line, file=stream or sys.stdout, flush=True)
