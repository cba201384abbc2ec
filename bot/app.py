"""The composition root: settings become clients, records, listeners and threads; nothing else constructs them."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.error import BoltError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import RetryHandler
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.announcer import Announcer, tell_refusal
from bot.connection import Watchdog, close, end_process
from bot.conversation import Conversation
from bot.desk import Desk
from bot.folder_lock import FolderLock
from bot.listeners import listen
from bot.open_stream import break_off
from bot.outbox import Outbox
from bot.recovery import take_up
from bot.requests import Dependencies
from bot.scheduler import build_scheduler
from bot.teller import Teller
from core.azure.workspace import Workspace
from core.clock import Clock
from core.errors import ConfigurationError
from core.reconciler.worker import Reconciler
from core.records.deliveries import Deliveries
from core.records.store import Store
from core.services import Services
from core.settings import Settings, SlackSettings

WORKERS = 32

log = logging.getLogger(__name__)


def build(settings: Settings, slack: SlackSettings, azure: Workspace, clock: Clock) -> "Bot":
    """Build the bot; nothing runs before `start`.

    Raises ConfigurationError when Slack does not take the token or cannot be reached.
    """
    client = _client(slack)
    listeners = ThreadPoolExecutor(WORKERS, thread_name_prefix="listener")
    app = _bolt(client, slack, listeners)
    store = Store.open(settings.database)
    services = Services(settings, store, azure, clock)
    holder = _holder(settings)
    reconciler = Reconciler(services, holder)
    # Announcements look for a message in doubt before they send it again, so that nothing else may repeat a call.
    once = WebClient(client.token, slack.api_url, timeout=15, retry_handlers=[])
    outbox = Outbox(store, once, clock, settings.card_every, partial(tell_refusal, store))
    teller = Teller(services, holder, Announcer(store, clock), outbox)
    workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="request")

    def wake() -> None:
        reconciler.wake()
        teller.wake()

    deliveries = Deliveries(store, clock, holder)
    desk = Desk(deliveries, client, workers, wake)
    dependencies = Dependencies(services, Conversation(services, client))
    listen(app, desk, dependencies)
    recover = partial(take_up, deliveries, desk, dependencies)
    handler = SocketModeHandler(app, slack.app_token.get_secret_value() or "none", concurrency=WORKERS)
    watchdog = Watchdog(handler.client.is_connected, time.monotonic, end_process)
    scheduler = build_scheduler(services, holder, wake, watchdog.look, deliveries, recover)
    lock = FolderLock(settings.folder)
    return Bot(
        app, services, holder, handler, listeners, workers, reconciler, teller, scheduler, lock, deliveries, recover
    )


@dataclass
class Bot:
    """The running bot."""

    app: App
    services: Services
    holder: str
    _handler: SocketModeHandler
    _listeners: ThreadPoolExecutor
    _workers: ThreadPoolExecutor
    _reconciler: Reconciler
    _teller: Teller
    _scheduler: BackgroundScheduler
    _lock: FolderLock
    _deliveries: Deliveries
    _recover: Callable[[], None]

    def __post_init__(self) -> None:
        """Prepare the threads."""
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._reconciler.run, args=(self._stopping,), name="reconciler"),
            threading.Thread(target=self._teller.run, args=(self._stopping,), name="teller"),
        ]

    def start(self) -> None:
        """Connect to Slack and begin to work.

        Raises ConfigurationError when another bot works in this folder, or Slack does not take the app token.
        """
        self._lock.take()
        self.services.store.release_claims(self.holder)
        if _alone(self.services.settings):
            break_off(self.services.store, self.services.clock())
        self._deliveries.release()
        self._recover()
        for thread in self._threads:
            thread.start()
        self._threads.append(self.services.azure.warm_up())
        self._scheduler.start()
        try:
            self._handler.connect()  # type: ignore[no-untyped-call]
        except (SlackApiError, OSError) as error:
            raise _not_reached(error, "SLACK_APP_TOKEN") from error

    def stop(self) -> None:
        """Take no more requests, finish those that were taken and the steps that were begun, and end."""
        close(self._handler.client)
        self._workers.shutdown(wait=True)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._stopping.set()
        self._reconciler.wake()
        self._teller.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._listeners.shutdown(wait=True)
        self.services.scoring.close()
        self.services.store.close()
        self._lock.release()


def _client(slack: SlackSettings) -> WebClient:
    """Return the client for answers; it repeats only what Slack did not take, so that nothing is said twice."""
    retries: list[RetryHandler] = [RateLimitErrorRetryHandler(max_retry_count=2)]
    return WebClient(slack.bot_token.get_secret_value(), slack.api_url, retry_handlers=retries)


def _bolt(client: WebClient, slack: SlackSettings, listeners: ThreadPoolExecutor) -> App:
    """Return the Bolt app; its constructor asks Slack whether the token is good."""
    try:
        return App(
            client=client,
            signing_secret=slack.signing_secret.get_secret_value() or secrets.token_hex(16),
            listener_executor=listeners,
        )
    except (BoltError, SlackApiError, OSError) as error:
        raise _not_reached(error, "SLACK_BOT_TOKEN") from error


def _not_reached(error: Exception, token: str) -> ConfigurationError:
    if isinstance(error, OSError):
        return ConfigurationError(
            "Slack cannot be reached.", why=type(error).__name__, next="Check the network, proxies and SLACK_API_URL."
        )
    code = error.response.get("error", "") if isinstance(error, SlackApiError) else ""
    return ConfigurationError(
        f"Slack does not take {token}.", why=str(code), next="Check the token; `finetune-bot doctor` tells more."
    )


def _holder(settings: Settings) -> str:
    """Return the name under which this process holds claims and leases.

    A folder has one process, which takes over at once what the one before it held; with a database of their own,
    replicas are told apart.
    """
    if _alone(settings):
        return f"{socket.gethostname()[:40]}:folder"
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"


def _alone(settings: Settings) -> bool:
    """Return whether no other process can share these records."""
    return settings.database.startswith("sqlite")
