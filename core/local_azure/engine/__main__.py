"""The engine's command line: one stage of a job, one deployment, or weights fetched ahead.

python -m core.local_azure.engine stage SPEC.json
python -m core.local_azure.engine serve SPEC.json
python -m core.local_azure.engine weights NAME
"""

import errno
import logging
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TypeVar

import msgspec
import typer

from core.errors import UserError
from core.local_azure.engine.stopping import TERMINATED
from core.local_azure.work import ServeSpec, StageError, StageSpec

log = logging.getLogger("engine")
Spec = TypeVar("Spec", StageSpec, ServeSpec)
commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)

INSTALL_LOCAL = "The libraries for training and serving are missing. Run: pip install 'finetune-bot[local]'"


@commands.command("stage")
def stage_command(spec_file: Path) -> None:
    """Run one stage of a pipeline job, as the StageSpec in SPEC_FILE says."""
    spec = read_spec(spec_file, StageSpec)
    (spec.folder / "error.json").unlink(missing_ok=True)
    try:
        from core.local_azure.engine import stage

        stage.run(spec)
    except Exception as error:
        fail(spec.folder, error)


@commands.command("serve")
def serve_command(spec_file: Path) -> None:
    """Serve one model on 127.0.0.1 until terminated, as the ServeSpec in SPEC_FILE says."""
    spec = read_spec(spec_file, ServeSpec)
    spec.folder.mkdir(parents=True, exist_ok=True)
    (spec.folder / "error.json").unlink(missing_ok=True)
    try:
        from core.local_azure.engine import serve

        serve.run(spec)
    except Exception as error:
        fail(spec.folder, error)


@commands.command("weights")
def weights_command(name: str) -> None:
    """Fetch the weights of a base model ahead of the first job that needs them."""
    from core.local_azure.engine import weights
    from core.local_azure.engine.progress import on_terminal

    logging.getLogger("core.local_azure.engine").setLevel(logging.WARNING)
    try:
        with on_terminal() as report:
            found = weights.fetch(name, report)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(1) from error
    except ImportError as error:
        typer.echo(INSTALL_LOCAL, err=True)
        raise SystemExit(1) from error
    typer.echo(f"{name} is in {found.folder}\nFrom {found.origin.source}. Licence: {found.origin.licence}.")
    if found.origin.note:
        typer.echo(found.origin.note)


def read_spec(file: Path, kind: type[Spec]) -> Spec:
    """Return the specification in a JSON file."""
    return msgspec.json.decode(file.read_bytes(), type=kind, dec_hook=lambda target, value: target(value))


def fail(folder: Path, error: Exception) -> None:
    """Write `error.json` for the server and the log for a person, and end the process with status 1."""
    failure = explain(error)
    log.error("%s: %s", failure.code, failure.message, exc_info=None if isinstance(error, UserError) else error)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.json").write_bytes(msgspec.json.encode(failure))
    raise SystemExit(1)


def explain(error: Exception) -> StageError:
    """Return the error as Azure's components word it: UserError for what a person can correct, else SystemError."""
    if isinstance(error, UserError):
        return StageError("UserError", str(error))
    if isinstance(error, ImportError):
        return StageError("SystemError", f"{INSTALL_LOCAL} (missing: {error.name})")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StageError("SystemError", "No space is left on the disk of this machine. Free some and submit again.")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return StageError(
            "UserError",
            "The memory of this machine is used up. Give a smaller per_device_train_batch_size or max_seq_length.",
        )
    return StageError("SystemError", f"{type(error).__name__}: {error}")


def terminate(number: int, frame: FrameType | None) -> None:
    """End the process on SIGTERM as if it had returned, so that files and child processes are tidied up."""
    raise SystemExit(TERMINATED)


def main() -> None:
    """Run the command line with a log on standard output, in UTC."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.WARNING,  # what the libraries say below that is no news to whoever reads a job's log
        stream=sys.stdout,
        format="%(asctime)sZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    for ours in (log, logging.getLogger("core.local_azure.engine")):
        ours.setLevel(logging.INFO)
    # The libraries' own progress bars would fill the log with control characters.
    os.environ["TQDM_DISABLE"] = "1"
    signal.signal(signal.SIGTERM, terminate)
    commands()


if __name__ == "__main__":
    main()
