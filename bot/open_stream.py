"""Answers that are being streamed: should their process die, the outbox says that they broke off.

While an answer grows, a row of the outbox holds it as it would be left behind. The row is due only after a silence
longer than any model's, or when the bot starts anew; it goes away when the answer has ended.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, update

from bot.cards.untrusted import ELLIPSIS, escape
from core.clock import Clock
from core.records.store import Store
from core.records.tables import Message

STREAMING = "streaming"
SILENCE = timedelta(minutes=5)
"""Longer than Azure lets any scoring request last."""
UPDATED_BYTES = 4_000
"""Of chat.update's text after & < > are escaped (gitlab-org/gitlab merge request 258898)."""
CUT = "_Slack let me keep only its beginning._"
BROKEN_OFF = "_The answer broke off here because I was restarted. Please ask again._"


class OpenStream:
    """One answer while it grows."""

    def __init__(self, store: Store, clock: Clock, channel: str, thread: str) -> None:
        """The answer will be in `thread` of `channel`."""
        self._store = store
        self._clock = clock
        self._channel = channel
        self._thread = thread
        self._row: int | None = None

    def shows(self, ts: str, text: str) -> None:
        """Note what the message `ts` shows by now."""
        body, due = {"markdown_text": broken_off(text)}, self._clock() + SILENCE
        with self._store.transaction() as session:
            if self._row is not None:
                session.execute(update(Message).where(Message.id == self._row).values(body=body, next_at=due))
                return
            row = Message(
                key=f"answer:{self._channel}:{ts}",
                channel=self._channel,
                thread=self._thread,
                body=body,
                state=STREAMING,
                ts=ts,
                next_at=due,
            )
            session.add(row)
            session.flush()
            self._row = row.id

    def ended(self) -> None:
        """Forget an answer that is shown whole."""
        if self._row is not None:
            with self._store.transaction() as session:
                session.execute(delete(Message).where(Message.id == self._row))


def broken_off(text: str) -> str:
    """Return what an answer is left as, short enough for an update."""
    note = f"\n\n{BROKEN_OFF}"
    shown, rest = split_for_update(text, UPDATED_BYTES - len(note))
    if rest:
        note = f"{ELLIPSIS}{note} {CUT}"
        shown = split_for_update(text, UPDATED_BYTES - len(note.encode()))[0]
    return shown + note


def split_for_update(text: str, room: int = UPDATED_BYTES) -> tuple[str, str]:
    """Return as much of `text` as `room` bytes of an update can hold, and the rest."""
    size = 0
    for at, character in enumerate(text):
        size += len(escape(character).encode())
        if size > room:
            return text[:at], text[at:]
    return text, ""


def break_off(store: Store, now: datetime) -> None:
    """Let the outbox say at once that open answers broke off; only for who knows that nobody streams them."""
    with store.transaction() as session:
        session.execute(update(Message).where(Message.state == STREAMING).values(next_at=now))
