"""Events not yet told become messages: one card per record, kept up to date, and thread replies worth a person's time.

`tell` decides and is pure. The messages are written to the outbox in the transaction that marks the event as told, so
that an event is told once, whatever happens in between. Only what is done, failed or idle mentions its owner.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.cards import endpoint as endpoint_cards
from bot.cards import job as job_cards
from bot.cards.amounts import between, moment
from bot.cards.blocks import Card, section
from bot.cards.compute import compute_card
from bot.cards.dataset import dataset_card
from bot.cards.plan import plan_card
from bot.cards.untrusted import code
from bot.outbox import Post, put
from core.clock import Clock
from core.errors import error_id
from core.events import EventKind, SubjectKind
from core.records.store import SUBJECTS, Store
from core.records.tables import Compute, Dataset, Endpoint, Event, Job, Message, Plan, Table

_AT_ONCE = 100

log = logging.getLogger(__name__)


class Announcer:
    """Tells what happened, oldest first; used by one thread of one process at a time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def announce_once(self) -> int:
        """Write the messages of all events not yet told; return how many events that were."""
        untold = self._store.find(Event, Event.told_at.is_(None), newest_first=False, limit=_AT_ONCE)
        for event in untold:
            with self._store.transaction() as session:
                self._announce(session, event.id)
        return len(untold)

    def _announce(self, session: Session, event_id: int) -> None:
        event = session.scalars(select(Event).where(Event.id == event_id, Event.told_at.is_(None))).one_or_none()
        if event is None:
            return
        record = session.get(SUBJECTS[SubjectKind(event.subject_kind)], event.subject_id)
        for post in _tell_safely(event, record) if record is not None else ():
            put(session, post)
        event.told_at = self._clock()


def _tell_safely(event: Event, record: Table) -> list[Post]:
    """Return what to say; an event that cannot be told is logged and must not keep others from being told."""
    try:
        return tell(event, record)
    except Exception:
        log.exception("Unexpected error %s: event %d (%s) cannot be told", error_id(), event.id, event.kind)
        return []


def tell_refusal(store: Store, message: Message) -> None:
    """Tell the owner directly that a card could not be posted where they asked."""
    subject = subject_of(message.key)
    if subject is None:
        return
    owner = store.get(SUBJECTS[subject[0]], subject[1]).owner  # type: ignore[attr-defined]
    text = (
        f"I cannot write in <#{message.channel}>: Slack says {code(message.error)}. Invite me there (`/invite`), "
        "or ask me here. What you asked for goes on; `/ft-status` shows it."
    )
    with store.transaction() as session:
        put(session, Post(f"{message.key}:refused", owner, _said(text).message()))


def card_key(kind: SubjectKind, id_: str) -> str:
    """Return the delivery key of a record's card."""
    return f"{kind}:{id_}:card"


def subject_of(key: str) -> tuple[SubjectKind, str] | None:
    """Return which record the card with this key shows; None for any other message."""
    kind, _, rest = key.partition(":")
    id_, _, what = rest.rpartition(":")
    return (SubjectKind(kind), id_) if what == "card" and kind in set(SubjectKind) else None


def tell(event: Event, record: Table) -> list[Post]:
    """Return what to say about `event`, given its subject as it is now: the card, and perhaps a reply in its thread."""
    if isinstance(record, Plan):
        dismissed_by = event.actor if event.kind == EventKind.DISMISSED else ""
        card = plan_card(record, dismissed_by=dismissed_by)
        return [Post(card_key(SubjectKind.PLAN, record.id), record.channel, card.message(), thread=record.thread)]
    if not isinstance(record, Dataset | Compute | Job | Endpoint):
        return []
    key = card_key(SubjectKind(event.subject_kind), record.id)
    posts = [Post(key, record.channel, _card(record, event.at).message())]
    reply = _reply(event, record)
    if reply is not None:
        posts.append(Post(f"event:{event.id}", record.channel, reply.message(), parent_key=key))
    return posts


def _card(record: Dataset | Compute | Job | Endpoint, at: datetime) -> Card:
    if isinstance(record, Dataset):
        return dataset_card(record)
    if isinstance(record, Compute):
        return compute_card(record)
    return job_cards.job_card(record) if isinstance(record, Job) else endpoint_cards.endpoint_card(record, at)


def _reply(event: Event, record: Dataset | Compute | Job | Endpoint) -> Card | None:
    """Return what to say in the record's thread; None: the card is enough."""
    kind = EventKind(event.kind)
    if kind is EventKind.STEP_REFUSED:
        return _said(f"<@{record.owner}> {job_cards.failure_text(event.data, 2_000)}")
    if isinstance(record, Job) and kind in _OF_JOBS:
        return _OF_JOBS[kind](event, record)
    if isinstance(record, Endpoint) and kind in _OF_ENDPOINTS:
        return _OF_ENDPOINTS[kind](event, record)
    if kind is EventKind.DATASET_READY:
        return _said(f":white_check_mark: <@{record.owner}> The dataset {code(record.id)} is ready.")
    if kind is EventKind.COMPUTE_READY:
        return _said(f":white_check_mark: <@{record.owner}> The compute is ready.")
    if kind in (EventKind.DATASET_FAILED, EventKind.COMPUTE_FAILED):
        return _failed(record)
    return None


def _said(text: str) -> Card:
    return Card.of(text, [section(text)])


def _failed(record: Dataset | Compute | Job | Endpoint) -> Card:
    return _said(f"<@{record.owner}> {job_cards.failure_text(record.failure or {}, 2_000)}")


def _by(event: Event) -> str:
    return f" by <@{event.actor}>" if event.actor else ""


def _first_metrics(event: Event, job: Job) -> Card:
    loss = f": loss {job.loss:.3f}" if job.loss is not None else ""
    return _said(f":chart_with_downwards_trend: It learns{loss} at step {job.step:,}. The card above follows it.")


def _completed(event: Event, job: Job) -> Card:
    took = between(job.started_at, job.finished_at)
    after = f" after {took}" if took else ""
    result = job_cards.losses(job)
    return _said(f":tada: <@{job.owner}> The fine-tune is finished{after}" + (f": {result}." if result else "."))


def _registered(event: Event, job: Job) -> Card:
    return _said(
        f":package: Registered as {code(f'{job.model_name}:{job.model_version}')}. Deploy it with the button above, "
        "or say `deploy` to me here."
    )


def _deleted(event: Event, endpoint: Endpoint) -> Card:
    how = "It is deleted" if event.kind == EventKind.ENDPOINT_DELETED else "Somebody deleted it outside of Slack"
    at = moment(endpoint.billing_stopped_at or event.at)
    return _said(f":wastebasket: {how}. Billing stopped {at}; it has cost {endpoint_cards.so_far(endpoint, event.at)}.")


_OF_JOBS: dict[EventKind, Callable[[Event, Job], Card]] = {
    EventKind.JOB_STARTED: lambda event, job: _said(":arrow_forward: The job has started."),
    EventKind.JOB_FIRST_METRICS: _first_metrics,
    EventKind.JOB_COMPLETED: _completed,
    EventKind.JOB_FAILED: lambda event, job: _failed(job),
    EventKind.JOB_CANCEL_REQUESTED: lambda event, job: _said(f"Cancelling was asked for{_by(event)}."),
    EventKind.JOB_CANCELED: lambda event, job: _said(f":black_square_for_stop: <@{job.owner}> The job is cancelled."),
    EventKind.JOB_REGISTERED: _registered,
}
_OF_ENDPOINTS: dict[EventKind, Callable[[Event, Endpoint], Card]] = {
    EventKind.DEPLOYMENT_FAILED: lambda event, endpoint: _failed(endpoint),
    EventKind.ENDPOINT_DEPLOYED: lambda event, endpoint: Card.of(
        f"Deployed: {endpoint.id}", [endpoint_cards.deployed_block(endpoint)]
    ),
    EventKind.ENDPOINT_IDLE: lambda event, endpoint: endpoint_cards.reminder_card(endpoint, event.at),
    EventKind.ENDPOINT_KEPT: lambda event, endpoint: _said(
        f"Kept{_by(event)}"
        + (f" without reminders until {moment(endpoint.keep_until)}." if endpoint.keep_until else ".")
    ),
    EventKind.ENDPOINT_DELETE_REQUESTED: lambda event, endpoint: _said(f"Deleting was asked for{_by(event)}."),
    EventKind.ENDPOINT_DELETED: _deleted,
    EventKind.ENDPOINT_GONE: _deleted,
}
