"""`finetune-bot serve`: the bot, with Slack and Azure or with the local one on either side."""

import logging
import signal
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from types import FrameType

from bot.app import build
from core.azure.workspace import connect
from core.clock import system_clock
from core.errors import ConfigurationError
from core.settings import AzureSettings, Settings, SlackSettings

log = logging.getLogger(__name__)


def serve(folder: Path, *, slack_local: bool, azure_local: bool) -> None:
    """Run until SIGTERM or SIGINT.

    Raises ConfigurationError when a token, an Azure setting, an extra or a port is missing or wrong.
    """
    stopping = Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with ExitStack() as stack:
        if azure_local or slack_local:
            from bot.local_machine import local_azure, local_slack, require_local_extra

            if azure_local:
                require_local_extra()
                stack.enter_context(local_azure(folder / "azure-ml", system_clock))
            if slack_local:
                running = stack.enter_context(local_slack(folder / "slack", system_clock))
                log.info("The local Slack answers at %s", running.url)
        slack = SlackSettings()
        _require_tokens(slack)
        bot = build(Settings(folder=folder), slack, connect(AzureSettings()), system_clock)
        stack.callback(bot.stop)
        bot.start()
        log.info("finetune-bot is running. Say /ft-help in Slack.")
        stopping.wait()


def _require_tokens(slack: SlackSettings) -> None:
    missing = [
        name
        for name, token in (("SLACK_BOT_TOKEN", slack.bot_token), ("SLACK_APP_TOKEN", slack.app_token))
        if not token.get_secret_value()
    ]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be set.",
            next="Create the app from manifest.yml at https://api.slack.com/apps, or try --slack-local.",
        )
