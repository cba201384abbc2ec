"""What a process that died had acknowledged and not finished: presses are carried out, of the rest people are told.

A press of a plan's button, or of Keep, means the same whenever it is carried out, and leaves an event that shows that
it was. A command or a question may have been half done, and is nothing to repeat unasked.
"""

from bot.cards.blocks import Card, section
from bot.cards.endpoint import KEEP
from bot.cards.plan import CONFIRM, DISMISS
from bot.commands.catalogue import BUTTONS
from bot.desk import Desk
from bot.open_stream import STREAMING
from bot.outbox import Post, put
from bot.requests import Dependencies, Outcome, Request, from_record
from core.errors import ConflictError
from core.events import EventKind
from core.records.deliveries import Deliveries, mark_done
from core.records.tables import Delivery, Event, Message
from core.services import Services

REPEATED = {CONFIRM: EventKind.CONFIRMED, DISMISS: EventKind.DISMISSED, KEEP: EventKind.ENDPOINT_KEPT}
"""The buttons whose press is carried out again, and the event that it leaves."""


def take_up(deliveries: Deliveries, desk: Desk, dependencies: Dependencies) -> None:
    """Take up what dead processes left undone."""
    for row in deliveries.claim_left():
        request = from_record(row.key, row.request)
        if request.action in REPEATED:
            _press_again(row, request, desk, dependencies)
        else:
            _say_restarted(request, dependencies.services)


def _press_again(row: Delivery, request: Request, desk: Desk, dependencies: Dependencies) -> None:
    def work() -> Outcome:
        if _was_carried_out(row, request, dependencies.services):
            return None
        try:
            return BUTTONS[request.action](request, dependencies)
        except ConflictError:
            if _was_carried_out(row, request, dependencies.services):
                return None  # the person has pressed again meanwhile
            raise

    desk.take(request, work)


def _was_carried_out(row: Delivery, request: Request, services: Services) -> bool:
    """Return whether the press, or a later one of the same person, had its effect."""
    left = (
        Event.kind == REPEATED[request.action],
        Event.subject_id == request.text,
        Event.actor == request.requester.user,
        Event.at >= row.at,
    )
    return bool(services.store.find(Event, *left, limit=1))


def _say_restarted(request: Request, services: Services) -> None:
    """Tell the person, once, in the transaction that marks the request as done; a broken off answer says so itself."""
    where, key = request.requester, f"restarted:{request.key}"[:128]
    text = (
        f"I was restarted while I worked on {request.called}. What it had begun goes on; if you see nothing of it, "
        "please send it again."
    )
    body = Card.of(text, [section(text)]).message()
    broke_off = _broke_off(request, services)
    with services.store.transaction() as session:
        if not broke_off:
            put(session, Post(key, where.channel, body, thread=where.thread, person=where.user))
        mark_done(session, request.key, services.clock())


def _broke_off(request: Request, services: Services) -> bool:
    """Return whether the request's answer had begun to grow in its thread."""
    here = (Message.channel == request.requester.channel, Message.thread == request.answer_thread)
    return bool(request.answer_thread and services.store.find(Message, Message.state == STREAMING, *here, limit=1))
