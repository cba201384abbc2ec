"""The thread that tells what happened: events become messages, messages go to Slack."""

import logging
import threading
from datetime import timedelta

from bot.announcer import Announcer
from bot.outbox import Outbox
from core.errors import error_id
from core.services import Services

LOOK_EVERY = 0.5
"""Seconds between two looks for events that other threads or processes wrote."""
LEASE, LEASE_LASTS = "teller", timedelta(seconds=30)

log = logging.getLogger(__name__)


class Teller:
    """Announces and delivers, again and again, in the one process that holds the lease."""

    def __init__(self, services: Services, holder: str, announcer: Announcer, outbox: Outbox) -> None:
        self._services = services
        self._holder = holder
        self._announcer = announcer
        self._outbox = outbox
        self._poked = threading.Event()

    def wake(self) -> None:
        """Look now."""
        self._poked.set()

    def run(self, stop: threading.Event) -> None:
        """Tell until `stop` is set."""
        while not stop.is_set():
            self._poked.clear()
            self._poked.wait(min(self.tell_once(), LOOK_EVERY))

    def tell_once(self) -> float:
        """Tell what there is to tell, where this process is the one that tells; return seconds until the next time."""
        try:
            now = self._services.clock()
            if not self._services.store.hold_lease(LEASE, self._holder, now, LEASE_LASTS):
                return LOOK_EVERY
            self._announcer.announce_once()
            delay = self._outbox.deliver_once()
        except Exception:
            log.exception("Unexpected error %s while telling what happened", error_id())
            return LOOK_EVERY
        return LOOK_EVERY if delay is None else delay
