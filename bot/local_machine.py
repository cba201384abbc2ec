"""Starts the local Slack and the local Azure ML workspace for the command line, and points the SDKs at them.

Only the command line imports this: what it starts is reached by URL and environment, like Slack and Azure.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.local_slack.server import RunningWorkspace, running_workspace
from bot.manifest import manifest_path
from core.clock import Clock
from core.errors import ConfigurationError
from core.local_azure.server.running import RunningAzure, running_azure


@contextmanager
def local_azure(folder: Path, clock: Clock, port: int = 0) -> Iterator[RunningAzure]:
    """Serve an Azure ML workspace from `folder` and put what the SDKs need into this process's environment.

    Raises ConfigurationError when the `local` extra is missing or the port is in use.
    """
    with running_azure(folder, clock=clock, port=port) as azure:
        os.environ.update(azure.environment)
        yield azure


@contextmanager
def local_slack(folder: Path, clock: Clock, port: int = 0) -> Iterator[RunningWorkspace]:
    """Serve a Slack workspace from `folder` and put its URL and tokens into this process's environment."""
    with running_workspace(folder, clock=clock, port=port, manifest=manifest_path()) as slack:
        os.environ.update(
            SLACK_API_URL=slack.url,
            SLACK_BOT_TOKEN=slack.bot_token,
            SLACK_APP_TOKEN=slack.app_token,
            SLACK_SIGNING_SECRET=slack.signing_secret,
        )
        yield slack


def require_local_extra() -> None:
    """Raise ConfigurationError when the packages of the `local` extra are not installed."""
    from importlib.util import find_spec

    missing = [
        name for name in ("torch", "transformers", "trl", "peft", "gguf", "xllamacpp", "trustme") if not find_spec(name)
    ]
    if missing:
        raise ConfigurationError(
            "This machine cannot train or serve models yet.",
            why=f"These packages are missing: {', '.join(missing)}.",
            next="Install them with: pip install 'finetune-bot[local]' (in a checkout: pip install -e '.[local]').",
        )
