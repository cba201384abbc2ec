"""The bot takes each request once, from Slack only, and starts and stops cleanly."""

import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from slack_bolt import App, BoltRequest
from sqlalchemy import text

from bot.app import Bot, build
from bot.folder_lock import FolderLock
from bot.local_slack.server import RunningWorkspace, running_workspace
from bot.manifest import manifest_path
from core.azure.clients import Clients
from core.azure.workspace import Workspace
from core.clock import system_clock
from core.errors import ConfigurationError
from core.records.store import Store
from core.records.tables import Dataset, Delivery
from core.settings import Settings, SlackSettings

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorkspace]:
    """A workspace."""
    with running_workspace(tmp_path_factory.mktemp("slack"), manifest=manifest_path()) as running:
        yield running


class NoCredential:
    """Nobody signs in here: these stories never reach Azure."""

    def get_token(self, *scopes: str, **options: object) -> None:
        raise AssertionError("Azure was asked")


def nowhere() -> Workspace:
    return Workspace(Clients(NoCredential(), "https://127.0.0.1:1", "s", "g", "w", "azureml"))


def settings_of(slack: RunningWorkspace, **changes: str) -> SlackSettings:
    named = {
        "api_url": slack.url,
        "bot_token": SecretStr(slack.bot_token),
        "app_token": SecretStr(slack.app_token),
        "signing_secret": SecretStr(slack.signing_secret),
    }
    return SlackSettings(**{**named, **{name: SecretStr(value) for name, value in changes.items()}})


@pytest.fixture
def bot(slack: RunningWorkspace, tmp_path: Path) -> Iterator[Bot]:
    """A bot that is built and not started: requests are put to it by hand."""
    built = build(Settings(folder=tmp_path), settings_of(slack), nowhere(), system_clock)
    yield built
    built.stop()


def command(slack: RunningWorkspace, **changes: str) -> str:
    person = slack.person("ada")
    body = {
        "command": "/ft-help",
        "text": "",
        "user_id": person.id,
        "channel_id": "C1",
        "team_id": "T1",
        "trigger_id": "1.2.3",
        "token": "x",
        **changes,
    }
    person.close()
    return urlencode(body)


def signed(secret: str, body: str, at: float) -> BoltRequest:
    base = f"v0:{int(at)}:{body}".encode()
    signature = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-signature": signature,
        "x-slack-request-timestamp": str(int(at)),
    }
    return BoltRequest(body=body, headers=headers)


def dispatch(app: App, request: BoltRequest) -> int:
    return app.dispatch(request).status


def test_forged_and_stale_requests_are_refused(bot: Bot, slack: RunningWorkspace) -> None:
    """Only Slack may call: a wrong signature and an old request are refused and leave no trace."""
    body = command(slack)
    assert dispatch(bot.app, signed("another secret", body, time.time())) == 401
    assert dispatch(bot.app, signed(slack.signing_secret, body, time.time() - 600)) == 401
    assert dispatch(bot.app, BoltRequest(body=body, headers={})) == 401
    assert bot.services.store.find(Delivery) == []


def test_a_replayed_request_acts_once(bot: Bot, slack: RunningWorkspace) -> None:
    """A request delivered three times is acknowledged three times and acted on once."""
    done = threading.Barrier(2, timeout=10)
    body = command(slack, trigger_id="9.9.9")
    for _ in range(3):
        assert dispatch(bot.app, signed(slack.signing_secret, body, time.time())) == 200
    bot._workers.submit(done.wait)
    done.wait()
    bot._workers.shutdown(wait=True)
    assert [one.key for one in bot.services.store.find(Delivery)] == ["command:9.9.9"]


def test_what_cannot_be_written_down_is_not_acknowledged(bot: Bot, slack: RunningWorkspace) -> None:
    """When the records cannot be written, Slack gets no acknowledgement and tells the person; nothing is done."""
    with bot.services.store.transaction() as session:
        session.execute(text("DROP TABLE deliveries"))
    assert dispatch(bot.app, signed(slack.signing_secret, command(slack, trigger_id="4.4.4"), time.time())) == 500
    message = {"type": "message", "channel_type": "im", "user": "U1", "channel": "D1", "ts": "1.0", "text": "help"}
    body = {"type": "event_callback", "team_id": "T1", "event": message}
    assert bot.app.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 500


def test_fifty_commands_at_once_are_acknowledged(bot: Bot, slack: RunningWorkspace) -> None:
    """Commands are acknowledged before any work, however many come together."""
    requests = [signed(slack.signing_secret, command(slack, trigger_id=f"5.{n}"), time.time()) for n in range(50)]
    begun = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(lambda request: dispatch(bot.app, request), requests)) == {200}
    assert time.monotonic() - begun < 3


def test_a_wrong_token_is_named(slack: RunningWorkspace, tmp_path: Path) -> None:
    """A token that Slack does not take is an error that names it and does not show it."""
    with pytest.raises(ConfigurationError) as refused:
        build(Settings(folder=tmp_path), settings_of(slack, bot_token="xoxb-wrong"), nowhere(), system_clock)
    assert "SLACK_BOT_TOKEN" in refused.value.what
    assert "xoxb-wrong" not in str(refused.value)
    wrong = build(Settings(folder=tmp_path), settings_of(slack, app_token="xapp-wrong"), nowhere(), system_clock)
    with pytest.raises(ConfigurationError, match="SLACK_APP_TOKEN"):
        wrong.start()
    wrong.stop()


def test_slack_out_of_reach_is_said(tmp_path: Path) -> None:
    """Without a network the bot says so, and does not hang."""
    away = SlackSettings(api_url="http://127.0.0.1:1/api/", bot_token=SecretStr("xoxb-1"))
    with pytest.raises(ConfigurationError, match="cannot be reached"):
        build(Settings(folder=tmp_path), away, nowhere(), system_clock)


def test_one_bot_per_folder(tmp_path: Path) -> None:
    """A second bot in the same folder is refused; after the first has ended it may begin."""
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    with pytest.raises(ConfigurationError, match="Another finetune-bot works"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_what_a_dead_process_had_claimed_is_free(tmp_path: Path) -> None:
    """After a crash the next bot does not wait for the dead one's claims to run out."""
    store = Store.open(f"sqlite:///{tmp_path / 'r.sqlite'}")
    with store.transaction() as session:
        session.add(Dataset(id="d", owner="U1", channel="C1", created_at=NOW, request={}, next_at=NOW))
    assert store.claim(Dataset, NOW, "dead", timedelta(hours=1)) is not None
    assert store.claim(Dataset, NOW, "new", timedelta(hours=1)) is None
    store.release_claims("dead")
    assert store.claim(Dataset, NOW, "new", timedelta(hours=1)) is not None
    store.close()
