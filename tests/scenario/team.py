"""A team in a local Slack with the bot in it, and a local Azure ML workspace; everything real but the engine."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app import Bot, build
from bot.local_slack.limits import RateLimits
from bot.local_slack.server import DEFAULT_LIMITS, RunningWorkspace, running_workspace
from bot.manifest import manifest_path
from core.azure.workspace import connect
from core.clock import AdjustableClock
from core.local_azure.server.processes import Engine
from core.local_azure.server.running import RunningAzure, running_azure
from core.local_azure.server.sizes import local_size
from core.settings import AzureSettings, Settings, SlackSettings

CONTRACT = Path(__file__).parent.parent / "contract"
ECHO = Engine(
    stage=(sys.executable, str(CONTRACT / "fake_stage.py")),
    serve=(sys.executable, str(CONTRACT / "echo_serve.py")),
    grace=0.5,
)


@dataclass
class Team:
    """The actors of a story."""

    slack: RunningWorkspace
    azure: RunningAzure
    clock: AdjustableClock
    folder: Path
    bot: Bot

    def restart(self) -> None:
        """Stop the bot and start it anew on the same folder."""
        self.bot.stop()
        self.bot = start_bot(self.slack, self.folder, self.clock)


def start_bot(slack: RunningWorkspace, folder: Path, clock: AdjustableClock) -> Bot:
    """Start a bot that works in `folder` and finds Azure by the environment."""
    settings = Settings(
        folder=folder,
        model="SmolLM2-135M-Instruct",
        compute="this-machine",
        instance_type=local_size().name,
        card_every=0.2,
        observe_every=0.3,
        watch_every=0.5,
        admins="",
    )
    found = SlackSettings(
        api_url=slack.url,
        bot_token=SecretStr(slack.bot_token),
        app_token=SecretStr(slack.app_token),
        signing_secret=SecretStr(slack.signing_secret),
    )
    bot = build(settings, found, connect(AzureSettings(), interactive=False), clock)
    bot.start()
    slack.control.wait_for_connection()
    return bot


@contextmanager
def team(folder: Path, engine: Engine = ECHO, limits: RateLimits | None = DEFAULT_LIMITS) -> Iterator[Team]:
    """Bring the team together for the length of the block; `limits` are Slack's."""
    clock = AdjustableClock()
    with (
        running_azure(folder / "azure", clock, engine=engine) as azure,
        running_workspace(folder / "slack", manifest=manifest_path(), clock=clock, limits=limits) as slack,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in azure.environment.items():
            patch.setenv(name, value)
        patch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
        here = Team(slack, azure, clock, folder / "bot", start_bot(slack, folder / "bot", clock))
        try:
            yield here
        finally:
            here.bot.stop()


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail the test when it does not in time."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        pause.wait(0.05)
