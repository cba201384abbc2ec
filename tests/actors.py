"""The bot as its own process, which may die at any moment, between a local Slack and a local Azure ML workspace."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psutil
import pytest

from bot.local_slack.control_client import Held as SlackHeld
from bot.local_slack.server import RunningWorkspace, running_workspace
from bot.manifest import manifest_path
from core.local_azure.server.control_client import Call
from core.local_azure.server.control_client import Held as AzureHeld
from core.local_azure.server.running import RunningAzure, running_azure
from core.local_azure.server.sizes import local_size
from core.records.store import Store
from tests.tiny_model import make_tiny_model

MODEL = "SmolLM2-135M-Instruct"
STARTS_WITHIN, CALLS_WITHIN = 60.0, 60.0
"""Seconds."""


class BotProcess:
    """`finetune-bot serve` on one folder: a process of its own, with real tokens and settings, that can be killed."""

    def __init__(self, slack: RunningWorkspace, azure: RunningAzure, folder: Path, **settings: str) -> None:
        """`settings` are names of README's table without their prefix, in small letters."""
        self.folder = folder
        self._slack = slack
        self._arguments = ["serve", "--folder", str(folder)]
        self._environment = {
            **os.environ,
            **azure.environment,
            "SLACK_API_URL": slack.url,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "FINETUNE_BOT_MODEL": MODEL,
            "FINETUNE_BOT_COMPUTE": "this-machine",
            "FINETUNE_BOT_INSTANCE_TYPE": local_size().name,
            "FINETUNE_BOT_OBSERVE_EVERY": "PT0.3S",
            "FINETUNE_BOT_WATCH_EVERY": "PT0.5S",
            "FINETUNE_BOT_CARD_EVERY": "PT0.2S",
            **{f"FINETUNE_BOT_{name.upper()}": value for name, value in settings.items()},
        }
        self._log_file = folder.parent / f"{folder.name}.log"
        self._process = 0
        with self._log_file.open("ab") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery"],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    @property
    def log(self) -> str:
        """Return what all processes on the folder have logged."""
        return self._log_file.read_text(errors="replace")

    def start(self) -> None:
        """Start the process and wait until it is connected to Slack."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        print(json.dumps(self._arguments), file=self._nursery.stdin, flush=True)
        self._process = int(self._nursery.stdout.readline())
        until(lambda: self._connected() or not psutil.pid_exists(self._process), STARTS_WITHIN)
        assert psutil.pid_exists(self._process), self.log[-3000:]

    def start_another(self) -> subprocess.CompletedProcess[str]:
        """Run the command a second time on the same folder, until it ends by itself."""
        command = [sys.executable, "-m", "bot", *self._arguments]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=STARTS_WITHIN, check=False
        )

    def kill(self) -> None:
        """Kill the process with SIGKILL and wait until it is gone, for Slack too."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            until(lambda: not psutil.pid_exists(self._process))
            self._slack.control.wait_for_disconnection()
        self._process = 0

    def close(self) -> None:
        """Kill the process, and start no more."""
        self.kill()
        self._nursery.kill()
        self._nursery.communicate()

    def _connected(self) -> bool:
        try:
            self._slack.control.wait_for_connection(timeout=0.5)
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True)
class SlackCall:
    """A call of a Web API method with `words` in its arguments, cut off before or after it had its effect."""

    method: str
    words: str = ""
    moment: str = "before"


@dataclass(frozen=True)
class AzureCall:
    """A call whose method and path fit these patterns, cut off before or after it had its effect."""

    method: str
    path: str
    moment: str = "before"


@dataclass
class House:
    """A team's Slack, their Azure ML workspace, and the bot between them."""

    slack: RunningWorkspace
    azure: RunningAzure
    bot: BotProcess
    _azure_serves: ExitStack
    _earlier_calls: list[Call] = field(default_factory=list)

    def azure_calls(self, path: str, method: str) -> list[Call]:
        """Return the calls that Azure received, also before it was restarted."""
        earlier = [c for c in self._earlier_calls if re.search(path, c.path) and re.fullmatch(method, c.method)]
        return earlier + self.azure.control.calls(path, method)

    def restart_azure(self) -> None:
        """Stop the Azure ML workspace with all its work, and start it on the same folder."""
        self._earlier_calls += self.azure.control.calls()
        self._azure_serves.close()
        self.azure = self._azure_serves.enter_context(running_azure(self.azure.folder))

    def kill_during(self, *calls: SlackCall | AzureCall, doing: Callable[[], object] | None = None) -> None:
        """Kill the bot while all of `calls`, at most one to each server, are on their way, and cut these off.

        `doing` is what makes the bot call; None: its being started anew. It stays dead afterwards.
        """
        for call in calls:
            self._hold(call)
        (doing or self.bot.start)()
        self._kill_amid(calls)

    def kill_twice(self, *calls: SlackCall | AzureCall, doing: Callable[[], object]) -> None:
        """Kill the bot as soon as `doing` returned; start it, and kill it while all of `calls` are on their way.

        However fast it is, it gets no further than `calls` the first time. It stays dead afterwards.
        """
        for call in calls:
            self._hold(call)
        doing()
        self.bot.kill()
        for call in calls:
            control = self.slack.control if isinstance(call, SlackCall) else self.azure.control
            try:
                self._drop(control.wait_for_held(0.5))
            except TimeoutError:
                continue
            self._hold(call)
        self.bot.start()
        self._kill_amid(calls)

    @contextmanager
    def kept_from(self, call: AzureCall) -> Iterator[None]:
        """Keep the bot from making `call` for the length of the block, however fast or slow this machine is.

        It is dead at the end of the block.
        """
        self.azure.control.add_fault("hold", call.path, method=call.method, times=10_000)
        yield
        self._drop_held_by_azure()
        self.azure.control.clear_faults()

    def _kill_amid(self, calls: Sequence[SlackCall | AzureCall]) -> None:
        held = [self._wait(call) for call in calls]
        self.bot.kill()
        for one in held:
            if isinstance(one, SlackHeld):
                self.slack.control.drop(one)
        self._drop_held_by_azure()

    def _drop_held_by_azure(self) -> None:
        """Cut off what a dead bot had asked of Azure, so that it has no effect later."""
        with suppress(TimeoutError):
            while True:
                self.azure.control.drop(self.azure.control.wait_for_held(0))

    def _drop(self, held: SlackHeld | AzureHeld) -> None:
        if isinstance(held, SlackHeld):
            self.slack.control.drop(held)
        else:
            self.azure.control.drop(held)

    def _hold(self, call: SlackCall | AzureCall) -> None:
        if isinstance(call, SlackCall):
            self.slack.control.add_fault("hold", call.method, moment=call.moment)
        else:
            self.azure.control.add_fault("hold", call.path, method=call.method, moment=call.moment)

    def _wait(self, call: SlackCall | AzureCall) -> SlackHeld | AzureHeld:
        """Return the call once it is held; other messages of the same method are let through."""
        if isinstance(call, AzureCall):
            return self.azure.control.wait_for_held(CALLS_WITHIN)
        while True:
            held = self.slack.control.wait_for_held(CALLS_WITHIN)
            if call.words in str(held.call.arguments):
                return held
            self._hold(call)
            self.slack.control.release(held)


@contextmanager
def house(folder: Path, **settings: str) -> Iterator[House]:
    """Open a house with a tiny model in `folder`, and a bot that is not yet started, for the length of the block."""
    make_tiny_model(folder / "weights" / MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINETUNE_BOT_WEIGHTS", str(folder / "weights"))
        patch.setenv("FINETUNE_BOT_CACHE", str(folder / "cache"))
        with (
            ExitStack() as azure_serves,
            running_workspace(folder / "slack", manifest=manifest_path()) as slack,
        ):
            azure = azure_serves.enter_context(running_azure(folder / "azure"))
            bot = BotProcess(slack, azure, folder / "bot", **settings)
            opened = House(slack, azure, bot, azure_serves)
            try:
                yield opened
            finally:
                slack.control.clear_faults()
                opened.azure.control.clear_faults()
                bot.close()


@contextmanager
def records(bot: BotProcess) -> Iterator[Store]:
    """Open what the bot has written down."""
    store = Store.open(f"sqlite:///{bot.folder / 'records.sqlite'}")
    try:
        yield store
    finally:
        store.close()


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail the test when it does not in time."""
    end, pause = time.monotonic() + seconds, Event()
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        pause.wait(0.05)
