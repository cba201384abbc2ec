"""The demo's stage: starts both local servers and the bot on this machine, plays the story, and reports."""

import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from bot.app import build
from bot.demo.handbook import read_handbook
from bot.demo.screen import Screen
from bot.demo.story import Scene, tell_story
from bot.demo.summary import Summary
from bot.folder_lock import FolderLock
from bot.local_machine import local_azure, local_slack, require_local_extra
from bot.local_slack.person import NotSeen, SlackRefused
from core.azure.workspace import connect
from core.clock import AdjustableClock
from core.errors import ConfigurationError
from core.settings import AzureSettings, Settings, SlackSettings

MODEL = "SmolLM2-135M-Instruct"
COMPUTE = "this-machine"
MARK = "demo.lock"
"""The file that tells a folder that may be emptied; it also keeps a second demo out."""


def play(folder: Path, console: Console) -> int:
    """Play the whole story from an empty `folder`; return the exit status, 0 when everything was shown.

    Raises ConfigurationError when this machine lacks what the demo needs.
    """
    require_local_extra()
    # What the servers started must not outlive the demo, however it is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    _check_stage(folder)
    fetch_weights(MODEL)
    summary = Summary()
    with _emptied(folder), _logging_to(folder / "bot.log"), on_stage(folder, console, summary) as scene:
        try:
            tell_story(scene, read_handbook())
        except (NotSeen, SlackRefused) as error:
            scene.screen.failed(str(error), folder / "bot.log")
            return 1
    summary.show(console)
    shortcomings = summary.shortcomings()
    for shortcoming in shortcomings:
        console.print(f"[red]Not shown:[/] {shortcoming}")
    return 1 if shortcomings else 0


def fetch_weights(model: str) -> None:
    """Have the engine fetch the model's weights, once, with a progress bar.

    Raises ConfigurationError when they cannot be had.
    """
    done = subprocess.run([sys.executable, "-m", "core.local_azure.engine", "weights", model], check=False)
    if done.returncode:
        raise ConfigurationError(
            f"The weights of {model} could not be had.",
            why="The reason is above.",
            next="Mend it and run the demo again; what was fetched is kept.",
        )


def _check_stage(folder: Path) -> None:
    """Raise ConfigurationError when `folder` holds anything that no demo has put there."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).exists())):
        raise ConfigurationError(
            f"{folder} is not a demo's folder, and the demo would empty it.", next="Name a new or an empty folder."
        )


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Hold `folder` for this demo alone, with nothing but the demo's mark in it at the start.

    Raises ConfigurationError when another demo plays there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder, MARK)
    lock.take()
    try:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != MARK:
                entry.unlink()
        yield
    finally:
        lock.release()


@contextmanager
def on_stage(folder: Path, console: Console, summary: Summary) -> Iterator[Scene]:
    """Run both servers and the bot in `folder`, all by one clock that the story may move forward."""
    clock = AdjustableClock()
    with local_azure(folder / "azure-ml", clock) as azure, local_slack(folder / "slack", clock) as slack:
        settings = Settings(
            folder=folder,
            database_url="",
            model=MODEL,
            compute=COMPUTE,
            idle_after=timedelta(hours=2),
            observe_every=timedelta(seconds=1),
            watch_every=timedelta(seconds=2),
            card_every=timedelta(seconds=5),
        )
        bot = build(settings, SlackSettings(), connect(AzureSettings()), clock)
        bot.start()
        try:
            slack.control.wait_for_connection()
            person = slack.person("ada")
            screen = Screen(console, person)
            with screen.following():
                yield Scene(person, slack.bot_user_id, screen, clock, summary, folder)
        finally:
            bot.stop()
            summary.slack_requests = len(slack.control.calls(timeout=0))
            summary.azure_requests = len(azure.control.calls())


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    """Keep the log of the bot out of the channel's picture."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
