"""What a team says to the bot, and what it sees: commands, plans, buttons, conversations."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.local_slack.person import Message, Person
from core.records.tables import Dataset, Job
from tests.scenario.team import Team, team


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """One team for all stories that leave each other alone."""
    with team(tmp_path_factory.mktemp("team")) as here:
        yield here


@pytest.fixture
def ada(room: Team) -> Iterator[Person]:
    """Ada, who works in #general."""
    person = room.slack.person("ada")
    yield person
    person.close()


@pytest.fixture
def grace(room: Team) -> Iterator[Person]:
    """Grace, who works there too."""
    person = room.slack.person("grace")
    yield person
    person.close()


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset of chats, one row of which is broken."""
    rows = [
        {"messages": [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": f"It is {n}."}]}
        for n in range(200)
    ]
    lines = [json.dumps(row) for row in rows]
    lines[6] = json.dumps({"messages": [{"role": "user", "content": "<!channel> <https://evil.example|free>"}]})
    file = tmp_path_factory.mktemp("data") / "chats.jsonl"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def dataset(room: Team, ada: Person, chats: Path) -> Dataset:
    """A dataset of Ada's that is ready."""
    ready = room.bot.services.store.find(Dataset, Dataset.state == "ready", limit=1)
    if not ready:
        ada.runs(f"/ft-data {chats}")
        ada.sees("Ready: 199 rows", timeout=30)
        ready = room.bot.services.store.find(Dataset, Dataset.state == "ready", limit=1)
    return ready[0]


def test_help_lists_every_command(ada: Person) -> None:
    """Who is new is shown what there is, and only they see it."""
    ada.runs("/ft-help")
    shown = ada.sees("What I can do")
    assert shown.ephemeral
    assert all(f"/ft-{word}" in shown.words() for word in ("validate", "data", "launch", "status", "cancel", "deploy"))
    ada.runs("/ft-help lanch")
    ada.sees("Did you mean /ft-launch?")
    ada.runs("/ft-help launch")
    ada.sees("num_train_epochs=3")


def test_a_compute_is_reported(ada: Person) -> None:
    """A compute is shown with its size, its price and what the model needs."""
    ada.runs("/ft-validate")
    shown = ada.sees("this-machine can fine-tune SmolLM2-135M-Instruct", timeout=30)
    assert "per hour" in shown.words().lower() or "Price" in shown.words()


def test_an_unknown_model_is_refused_in_words(ada: Person) -> None:
    """A model nobody has is an answer with a way on, not a stack trace."""
    ada.runs("/ft-validate model=SmolLM3")
    shown = ada.sees("SmolLM3", timeout=30)
    assert shown.ephemeral
    assert "Traceback" not in shown.words()


def test_a_misspelt_parameter_is_named(ada: Person) -> None:
    """A misspelt parameter is answered with the right one."""
    ada.runs("/ft-data chats.jsonl persent=5")
    assert ada.sees("persent").words().count("Did you mean percent?") == 1


def test_a_dataset_is_prepared_where_everybody_sees(room: Team, ada: Person, grace: Person, dataset: Dataset) -> None:
    """A dataset's card is in the channel, with what was left out and nothing in it that pings or links."""
    card = grace.sees("Ready: 199 rows")
    assert not card.ephemeral
    assert "line 7" in card.words()
    grace.sees("is ready", thread=card)
    assert "<!channel>" not in json.dumps(card.json)
    assert "https://evil" not in json.dumps(card.json)


def test_an_unreadable_dataset_says_why(ada: Person, tmp_path: Path) -> None:
    """A file that is not there, or has nothing in it, is said where it was asked for."""
    ada.runs("/ft-data /nowhere/chats.jsonl")
    ada.sees("There is no file or folder /nowhere/chats.jsonl")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    ada.runs(f"/ft-data {empty}")
    card = ada.sees("Could not be prepared", timeout=20)
    ada.sees("Failed", thread=card)


def test_a_plan_is_confirmed_once(room: Team, ada: Person, grace: Person, dataset: Dataset) -> None:
    """A plan shows its parameters and their sources; only its owner may start it, and only once."""
    ada.runs("/ft-launch num_train_epochs=1 max_steps=2")
    plan = ada.sees("Nothing has happened yet", timeout=30)
    assert "You set" in plan.words()
    assert "Start the fine-tune" in plan.buttons
    grace.clicks(plan, "Start the fine-tune")
    grace.sees("may confirm this plan")
    before = len(room.bot.services.store.find(Job))
    ada.clicks(plan, "Start the fine-tune")
    taken = ada.sees_again(plan, "Confirmed by", timeout=20)
    assert "ada" in taken.words().split("Confirmed by")[1]
    assert taken.buttons == []
    assert len(room.bot.services.store.find(Job)) == before + 1


def test_a_plan_is_dismissed(ada: Person, dataset: Dataset) -> None:
    """A dismissed plan has no buttons any more and nothing was done."""
    ada.runs("/ft-launch name=never")
    plan = ada.sees(lambda message: "Fine-tune never" in message.words() and "Dismiss" in message.buttons, timeout=30)
    ada.clicks(plan, "Dismiss")
    ada.sees_again(plan, "Dismissed by")


def test_status_lists_what_there_is(ada: Person, dataset: Dataset) -> None:
    """Status without a name lists everything; with one, shows that."""
    ada.runs("/ft-status")
    assert dataset.id in ada.sees("Datasets").words()
    ada.runs(f"/ft-status {dataset.id}")
    ada.sees(lambda message: message.ephemeral and "Ready: 199 rows" in message.words())
    ada.runs("/ft-status ft-nothing")
    ada.sees("There is no job, endpoint or dataset ft-nothing")


def test_a_job_that_fails_says_why_in_its_thread(room: Team, ada: Person, dataset: Dataset) -> None:
    """A failed job mentions its owner in its thread, with the stage and the log's last lines."""
    ada.runs("/ft-launch name=doomed")
    plan = ada.sees(lambda message: "Fine-tune doomed" in message.words() and bool(message.buttons), timeout=30)
    ada.clicks(plan, "Start the fine-tune")
    card = ada.sees(
        lambda message: "doomed" in message.words() and "on this-machine with" in message.words(), timeout=30
    )
    failed = ada.sees("Failed", thread=card, after=card, timeout=60)
    assert "ada" in failed.words()
    assert ada.sees_again(card, "Failed").buttons == ["Logs"]


def mention(room: Team, person: Person, text: str, thread: Message | None = None) -> Message:
    """Say something to the bot."""
    return person.says(f"<@{room.slack.bot_user_id}> {text}", thread)


def test_a_mention_takes_the_same_commands(room: Team, ada: Person, dataset: Dataset) -> None:
    """In the thread of a card, where slash commands do not work, a mention knows what the thread is about."""
    card = ada.sees(lambda message: "Ready: 199 rows" in message.words() and not message.ephemeral)
    said = mention(room, ada, "status", card)
    answer = ada.sees("Ready: 199 rows", thread=card, after=said)
    assert not answer.ephemeral
    said = mention(room, ada, "hello")
    ada.sees("What I can do", thread=said)


def test_direct_messages_need_no_mention(ada: Person) -> None:
    """In direct messages everything is said to the bot."""
    said = ada.directly().says("help validate")
    ada.sees("Check that a compute can fine-tune a model", thread=said)


def test_a_channel_without_the_bot_is_said(room: Team, ada: Person, dataset: Dataset) -> None:
    """Where the bot may not write, its owner is told directly what to do; nothing vanishes silently."""
    channel = room.slack.control.add_channel("secret", private=True, invite_app=False)
    ada.in_channel("secret").runs(f"/ft-launch {dataset.id} name=secretly")
    told = ada.sees("I cannot write in", timeout=30)
    assert told.channel != channel


def test_a_restart_loses_nothing(room: Team, ada: Person, dataset: Dataset) -> None:
    """What was planned before the bot was stopped can be dismissed after it was started again."""
    ada.runs("/ft-launch name=patient")
    plan = ada.sees(lambda message: "Fine-tune patient" in message.words() and bool(message.buttons), timeout=30)
    room.restart()
    ada.clicks(plan, "Dismiss")
    ada.sees_again(plan, "Dismissed by")
    assert len([m for m in ada.channel() if "Fine-tune patient" in m.words()]) == 1
