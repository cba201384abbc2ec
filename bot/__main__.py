"""The command line: demo, serve, azure-ml, doctor."""

import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.logging import RichHandler

from core.errors import UserError
from core.mishaps import missing_package, refused_by_system, wrong_setting
from core.settings import DEFAULT_FOLDER

app = typer.Typer(
    name="finetune-bot",
    help="Fine-tune chat models on Azure Machine Learning from a Slack channel.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Folder = Annotated[Path, typer.Option(help="Where records, datasets and the local servers keep their state.")]


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Emptied first.")] = DEFAULT_FOLDER / "demo",
) -> None:
    """Play the whole life of a model on this machine: data, fine-tune, deploy, chat, idle reminder, tear down."""
    from bot.demo.play import play

    raise typer.Exit(play(folder, Console()))


@app.command()
def serve(
    folder: Folder = DEFAULT_FOLDER,
    slack_local: Annotated[
        bool, typer.Option("--slack-local", help="Serve a Slack workspace on this machine.")
    ] = False,
    azure_local: Annotated[bool, typer.Option("--azure-local", help="Serve Azure ML on this machine.")] = False,
) -> None:
    """Run the bot; tokens and Azure settings come from the environment (README has the table)."""
    from bot.serve import serve as run

    _log_to_stderr()
    run(folder, slack_local=slack_local, azure_local=azure_local)


@app.command(name="azure-ml", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def azure_ml(
    context: typer.Context,
    folder: Folder = DEFAULT_FOLDER / "azure-ml",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    run: Annotated[bool, typer.Option("--run", help="Run the command that follows against it, then stop.")] = False,
) -> None:
    """Serve an Azure ML workspace on this machine for any azure-ai-ml program."""
    from core.local_azure import command

    if run:
        if not context.args:
            raise typer.BadParameter("--run needs a command, for example: --run python train.py")
        raise typer.Exit(command.run(folder, context.args))
    if context.args:
        raise typer.BadParameter(f"unexpected: {' '.join(context.args)}")
    command.serve(folder, port)


@app.command()
def doctor() -> None:
    """Check tokens, scopes, credential, workspace, registry, model and component, and say how to mend what is wrong."""
    from bot.doctor import examine
    from bot.manifest import read_manifest
    from core.clock import system_clock
    from core.settings import AzureSettings, Settings, SlackSettings

    _hush_azure()
    console = Console()
    wrong = 0
    for finding in examine(Settings(), SlackSettings(), AzureSettings(), read_manifest(), system_clock):
        console.print("[green]ok[/]  " if finding.ok else "[red]wrong[/]", f"[bold]{finding.check}[/]:", finding.detail)
        if not finding.ok:
            wrong += 1
            console.print("      ", finding.mend)
    raise typer.Exit(1 if wrong else 0)


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=Console(stderr=True), show_path=False)]
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    _hush_azure()


def _hush_azure() -> None:
    """Keep what Azure's SDK says of a failure out of the log: the error that follows says it in our words."""
    logging.getLogger("azure").setLevel(logging.ERROR)


def main() -> None:
    """Run the command line; an error that a person can mend is one paragraph and exit status 1."""
    # A log that cannot be written, on a full disk say, must not bury what a person has to read.
    logging.raiseExceptions = False
    try:
        app()
    except UserError as error:
        _say(error)
    except ValidationError as error:
        _say(wrong_setting(error))
    except ModuleNotFoundError as error:
        missing = missing_package(error)
        if missing is None:
            raise
        _say(missing)
    except OSError as error:
        _say(refused_by_system(error))


def _say(error: UserError) -> NoReturn:
    console = Console(stderr=True, highlight=False)
    console.print(error.what, style="red", markup=False)
    for part in filter(None, (error.why, error.next)):
        console.print(part, markup=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
