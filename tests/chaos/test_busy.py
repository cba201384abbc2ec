"""kill -9 of a bot whose threads are all busy: what it had acknowledged and not begun is not lost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bot.app import WORKERS
from core.events import EventKind
from core.records.tables import Delivery, Endpoint, Event
from tests.actors import MODEL, house, records, until
from tests.chaos.outcome import LONG

ENDPOINT = "parrot-3"


def test_a_press_that_was_waiting_is_carried_out_after_the_restart(tmp_path: Path) -> None:
    """Nobody presses again: the press that was acknowledged and never begun deploys the model, once."""
    with house(tmp_path) as here, records(here.bot) as store, ThreadPoolExecutor(WORKERS) as typing:
        ada = here.slack.person("ada")
        here.bot.start()
        ada.runs(f"/ft-deploy {MODEL} name={ENDPOINT}")
        plan = ada.sees(lambda message: "Deploy" in message.buttons, timeout=LONG)
        here.azure.control.add_fault("hold", "", method="GET", times=10 * WORKERS)
        asked = [here.slack.person("ada") for _ in range(WORKERS)]
        list(typing.map(lambda person: person.runs("/ft-validate"), asked))
        undone = Delivery.done_at.is_(None)
        ada.clicks(plan, "Deploy")
        assert store.find(Event, Event.kind == EventKind.CONFIRMED) == []
        here.bot.kill()
        assert len(store.find(Delivery, undone)) == WORKERS + 1
        here.azure.control.clear_faults()
        here.bot.start()
        until(lambda: store.find(Endpoint), LONG)
        until(lambda: not store.find(Delivery, undone))
        assert [event.actor for event in store.find(Event, Event.kind == EventKind.CONFIRMED)] == [ada.id]
        for person in (ada, *asked):
            person.close()
