"""Whatever is typed, mistyped or pasted is understood or refused in words, and the bot goes on."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bot.cards.error import error_card
from bot.commands.catalogue import ALL
from bot.commands.declaration import Command
from bot.local_slack.blocks import message_problems
from bot.local_slack.person import Message, Person
from core.errors import InputError
from core.records.tables import Delivery
from tests.scenario.team import Team, team, until

TYPED = (
    "\" ' “ ” = == <http:// | > <@U1> <!here> &lt; &amp; -- 1e999 NaN ٣ -1 0 5% yes \x00 \u202e ` * ~ é 汉 🦜 ../.. /"
)
PIECES = (
    *TYPED.split(),
    *{f"{one.name}=" for command in ALL for one in command.parameters},
    *{one.name[:-1] + "=" for command in ALL for one in command.parameters},
    *{one.example for command in ALL for one in command.parameters if one.example},
    "\n",
    " ",
    " ",
    "x" * 300,
    "🦜" * 2_000,
    "<" * 1_500,
    "\ud800",
)


def texts(seed: int, many: int) -> Iterator[str]:
    drawn = Random(seed)
    for _ in range(many):
        yield "".join(drawn.choices(PIECES, k=drawn.randrange(14)))


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.word)
def test_no_text_breaks_a_command(command: Command) -> None:
    """1,112 texts for each of nine commands: each is understood, or refused on a card that Slack takes."""
    refused = 0
    for text in texts(len(command.name), 1_112):
        try:
            command.parse(text)
        except InputError as error:
            refused += 1
            card = error_card(error)
            assert list(message_problems(list(card.blocks))) == [], text
            assert card.text.strip(), text
            assert len(card.text) <= 4_000, text
    assert refused or not command.parameters


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A team whose Slack does not slow anybody down."""
    with team(tmp_path_factory.mktemp("team"), limits=None) as here:
        yield here


@pytest.fixture
def ada(room: Team) -> Iterator[Person]:
    """Ada, who types carelessly."""
    person = room.slack.person("ada")
    yield person
    person.close()


def test_hundreds_of_wrong_texts_through_slack(room: Team, ada: Person) -> None:
    """300 careless commands are each done with; none of them unexpectedly, and the bot still helps afterwards."""
    drawn, asked = Random(7), 0
    for text in texts(11, 300):
        command = drawn.choice([one for one in ALL if one.word not in ("data", "ask")])
        ada.runs(f"{command.name} {text.encode('utf-8', 'replace').decode()}"[:3_000])
        asked += 1
    ada.runs("/ft-help lanch")
    ada.sees("Did you mean /ft-launch?", timeout=60)
    done = Delivery.done_at.is_not(None)
    until(lambda: len(room.bot.services.store.find(Delivery, done, limit=1_000)) > asked, 60)
    wrong = [m.words() for m in answers(ada) if "unexpected" in m.words() or "Traceback" in m.words()]
    assert wrong == []


def answers(person: Person) -> list[Message]:
    return [message for message in person.channel() if message.author != person.id]


def test_a_name_that_leads_elsewhere_reaches_no_other_address(room: Team, ada: Person) -> None:
    """Dots and slashes in a name are refused; Azure is not asked for another address."""
    for typed in ("model=../../etc", "model=SmolLM2-135M-Instruct version=../x", "compute=a/b?c"):
        ada.runs(f"/ft-validate {typed}")
    ada.sees("a/b?c")
    ada.sees("../../etc")
    ada.sees("version ../x")
    assert room.azure.control.calls(r"/etc/|/x$|/a/b") == []


def test_a_pipe_is_no_dataset(ada: Person, tmp_path: Path) -> None:
    """A named pipe, which would never end, is refused at once, and the next dataset is prepared."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    ada.runs(f"/ft-data {tmp_path / 'pipe.jsonl'}")
    ada.sees("pipe.jsonl is not a kind of file that can be read")
