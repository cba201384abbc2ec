"""`finetune-bot doctor`: what is wrong with the settings, and how to mend it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.manifest import Manifest
from core.azure.workspace import Workspace, connect
from core.clock import Clock
from core.errors import ConfigurationError, UserError
from core.operations.choose_model import choose_model
from core.records.store import Store
from core.services import Services
from core.settings import AzureSettings, Settings, SlackSettings


@dataclass(frozen=True)
class Finding:
    """One check: `detail` says what was seen, `mend` what to do when it is not `ok`."""

    check: str
    ok: bool
    detail: str
    mend: str = ""


def examine(
    settings: Settings, slack: SlackSettings, azure: AzureSettings, manifest: Manifest, clock: Clock
) -> Iterator[Finding]:
    """Yield a finding for each thing the bot needs, in the order in which it needs them; reads only."""
    yield from _examine_slack(slack, manifest)
    yield _guarded("records", lambda: _open_records(settings))
    workspace: list[Workspace] = []
    yield _guarded("Azure credential and workspace", lambda: _connect(azure, workspace))
    for connected in workspace:
        yield from _examine_azure(Services(settings, Store.open(settings.database), connected, clock))


def _examine_slack(slack: SlackSettings, manifest: Manifest) -> Iterator[Finding]:
    client = WebClient(token=slack.bot_token.get_secret_value(), base_url=slack.api_url, timeout=10)
    try:
        answer = client.auth_test()
    except (SlackApiError, SlackClientError, OSError) as error:
        mend = "Set SLACK_BOT_TOKEN to the app's xoxb- token."
        yield Finding("Slack bot token", False, _slack_reason(error), _slack_mend(error, mend))
        return
    yield Finding("Slack bot token", True, f"{answer['user']} in {answer['team']}")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    granted = {scope.strip() for scope in str(headers.get("x-oauth-scopes", "")).split(",") if scope.strip()}
    missing = sorted(manifest.bot_scopes - granted)
    yield Finding(
        "Slack scopes",
        not missing,
        f"missing {', '.join(missing)}" if missing else f"all {len(manifest.bot_scopes)} of manifest.yml are granted",
        "Paste manifest.yml into the app's settings and reinstall it to the workspace." if missing else "",
    )
    try:
        client.apps_connections_open(app_token=slack.app_token.get_secret_value())
    except (SlackApiError, SlackClientError, OSError) as error:
        mend = "Set SLACK_APP_TOKEN to an app-level xapp- token with connections:write."
        yield Finding("Slack Socket Mode", False, _slack_reason(error), _slack_mend(error, mend))
    else:
        yield Finding("Slack Socket Mode", True, "a connection can be opened")


def _slack_reason(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        return f"Slack answered {error.response['error']}"
    return f"Slack cannot be reached ({type(error).__name__})"


def _slack_mend(error: Exception, mend: str) -> str:
    return mend if isinstance(error, SlackApiError) else "Check the network, proxies and SLACK_API_URL."


def _open_records(settings: Settings) -> str:
    Store.open(settings.database).close()
    return f"records are in {settings.folder}" if not settings.database_url else "the database of DATABASE_URL answers"


def _connect(azure: AzureSettings, connected: list[Workspace]) -> str:
    workspace = connect(azure)
    info = workspace.info()
    connected.append(workspace)
    return f"{info.name} in {info.location}, resource group {info.resource_group}"


def _examine_azure(services: Services) -> Iterator[Finding]:
    settings, azure = services.settings, services.azure

    def model() -> str:
        chosen = choose_model(services, settings.model)
        retirement = f", fine-tuning ends {chosen.finetune_retirement}" if chosen.finetune_retirement else ""
        if chosen.archived:
            raise ConfigurationError(
                f"{chosen.name} is archived in the registry{retirement}.",
                next="Set FINETUNE_BOT_MODEL to a model that is not, for example Phi-4.",
            )
        return f"{chosen.name} version {chosen.version}{retirement}"

    def component() -> str:
        found = azure.component(settings.component, settings.component_version or None)
        return f"{found.name} {found.version} with {len(found.inputs)} inputs"

    def compute() -> str:
        found = azure.compute(settings.compute)
        if found is None:
            raise ConfigurationError(
                f"There is no compute {settings.compute}.",
                next=f"Create it with /ft-validate {settings.compute} size=..., or set FINETUNE_BOT_COMPUTE.",
            )
        return f"{found.name}: {found.size}, {found.state}"

    yield _guarded("registry model", model)
    yield _guarded("pipeline component", component)
    yield _guarded("default compute", compute)


def _guarded(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, look())
    except UserError as error:
        return Finding(check, False, " ".join(part for part in (error.what, error.why) if part), error.next)
