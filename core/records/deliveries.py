"""What Slack brought and was acknowledged: taken on once, and not forgotten until it is done.

A row is written before Slack gets its acknowledgement and marked once the request was answered. Until then the process
that has it renews its claim; rows whose process died are taken up by the next one, or by another replica.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.clock import Clock
from core.records.store import Store
from core.records.tables import Delivery

CLAIM_LASTS = timedelta(minutes=1)
RENEW_EVERY = timedelta(seconds=20)
TOO_OLD = timedelta(hours=1)
"""After this long nobody waits for an answer any more."""
_KEY = 128


class Deliveries:
    """The requests that the process `holder` takes on."""

    def __init__(self, store: Store, clock: Clock, holder: str) -> None:
        self._store = store
        self._clock = clock
        self._holder = holder

    def take(self, key: str, request: dict[str, Any]) -> bool:
        """Write down what was asked, before it is acknowledged; False: it was brought before."""
        now = self._clock()
        row = Delivery(
            key=key[:_KEY], at=now, request=request, claimed_by=self._holder, claimed_until=now + CLAIM_LASTS
        )
        try:
            with self._store.transaction() as session:
                session.add(row)
        except IntegrityError:
            return False
        return True

    def done(self, key: str) -> None:
        """Note that a request was handled and answered."""
        with self._store.transaction() as session:
            mark_done(session, key, self._clock())

    def renew(self) -> None:
        """Say that this process lives and works on what it took."""
        mine = (Delivery.claimed_by == self._holder, Delivery.done_at.is_(None))
        with self._store.transaction() as session:
            session.execute(update(Delivery).where(*mine).values(claimed_until=self._clock() + CLAIM_LASTS))

    def release(self) -> None:
        """Free what this holder had taken when its process died; only for who knows that it is dead."""
        mine = (Delivery.claimed_by == self._holder, Delivery.done_at.is_(None))
        with self._store.transaction() as session:
            session.execute(update(Delivery).where(*mine).values(claimed_until=None))

    def claim_left(self) -> Sequence[Delivery]:
        """Claim what dead processes left undone, oldest first; what is too old is marked as done."""
        now = self._clock()
        left = (Delivery.done_at.is_(None), or_(Delivery.claimed_until.is_(None), Delivery.claimed_until < now))
        with self._store.transaction() as session:
            session.execute(update(Delivery).where(*left, Delivery.at < now - TOO_OLD).values(done_at=now))
            query = select(Delivery).where(*left).order_by(Delivery.at).with_for_update(skip_locked=True)
            rows = session.scalars(query).all()
            for row in rows:
                row.claimed_by, row.claimed_until = self._holder, now + CLAIM_LASTS
            return rows

    def forget(self, before: datetime) -> None:
        """Drop what was remembered of requests older than Slack's last redelivery."""
        with self._store.transaction() as session:
            session.execute(delete(Delivery).where(Delivery.at < before))


def mark_done(session: Session, key: str, now: datetime) -> None:
    """Mark a request as done in the transaction of what ended it."""
    session.execute(update(Delivery).where(Delivery.key == key[:_KEY]).values(done_at=now))
