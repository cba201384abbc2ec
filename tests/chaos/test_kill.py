"""kill -9 of the bot between every two steps of launch and of deploy: nothing is bought, said or lost twice.

One story is lived once, with a bot that dies at every call that is a step, before the call had its effect and after;
each test then asks one question about how it ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.local_slack.person import Message, Person
from bot.open_stream import BROKEN_OFF
from core.records.store import Store
from core.records.tables import Delivery, Turn
from tests.actors import AzureCall, House, SlackCall, house, records
from tests.chaos.outcome import (
    LONG,
    assert_all_told,
    assert_history_is_whole,
    assert_one_endpoint_and_it_is_gone,
    assert_one_job,
    assert_plans_carried_out_once,
    everything_said,
    key_of,
    prepare,
)

POST, UPDATE = "chat.postMessage", "chat.update"
LAUNCH, DEPLOY, DELETE = "Start the fine-tune", "Deploy", "Delete the endpoint"
ENDPOINT = "parrot-1"
RESTARTED = "I was restarted while I worked on"
QUESTION, SECOND_QUESTION = "What is seven plus seven?", "Are you back?"


@dataclass
class Lived:
    """How the story ended."""

    house: House
    ada: Person
    store: Store
    second_bot: str


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The whole life of a job and of an endpoint, with a bot that dies at every step."""
    folder = tmp_path_factory.mktemp("chaos")
    with house(folder) as here:
        ada = here.slack.person("ada")
        here.bot.start()
        prepare(ada, folder)
        refused = here.bot.start_another()
        assert refused.returncode == 1, refused.stderr
        launch(here, ada)
        train(here)
        deploy(here, ada)
        chat(here, ada)
        tear_down(here, ada)
        ada.sees(lambda m: "Deleted." in m.words() and ENDPOINT in m.words(), timeout=LONG)
        with records(here.bot) as store:
            yield Lived(here, ada, store, refused.stderr)
        ada.close()


def launch(here: House, ada: Person) -> None:
    """Launch a fine-tune; the bot dies at a command, at the plan's card, after the press, at the job, at its card."""
    here.kill_during(AzureCall("GET", ""), doing=lambda: ada.runs("/ft-validate"))
    here.bot.start()
    ada.sees(RESTARTED, timeout=LONG)
    command = "/ft-launch num_train_epochs=1 per_device_train_batch_size=8"
    here.kill_during(SlackCall(POST, "'plan:", "after"), doing=lambda: ada.runs(command))
    here.bot.start()
    press_and_die(here, ada, LAUNCH, AzureCall("PUT", "/jobs/ft-", "before"), SlackCall(POST, "'job:", "before"))
    here.kill_during(AzureCall("PUT", "/jobs/ft-", "after"), SlackCall(POST, "'job:", "after"))


def train(here: House) -> None:
    """Train; the bot dies at replies and updates, and at the model's registration."""
    versions = "/models/[^/]+/versions/"
    with here.kept_from(AzureCall("PUT", versions)):
        here.kill_during(SlackCall(POST, "The job has started", "before"))
        here.kill_during(SlackCall(POST, "The job has started", "after"))
        here.kill_during(SlackCall(UPDATE, "'job:", "before"))
    here.kill_during(AzureCall("PUT", versions, "before"), SlackCall(POST, "is finished", "before"))
    here.kill_during(AzureCall("PUT", versions, "after"), SlackCall(POST, "is finished", "after"))
    here.kill_during(SlackCall(UPDATE, "registered as", "after"))


def deploy(here: House, ada: Person) -> None:
    """Deploy the tuned model; the bot dies after the press, at endpoint, deployment, traffic and every message."""
    here.bot.start()
    ada.runs(f"/ft-deploy name={ENDPOINT}")
    endpoint, deployment = f"/onlineEndpoints/{ENDPOINT}$", f"/onlineEndpoints/{ENDPOINT}/deployments/[^/]+$"
    press_and_die(here, ada, DEPLOY, AzureCall("PUT", endpoint, "before"), SlackCall(POST, "'endpoint:", "before"))
    here.kill_during(AzureCall("PUT", endpoint, "after"), SlackCall(POST, "'endpoint:", "after"))
    here.kill_during(AzureCall("PUT", deployment, "before"), SlackCall(UPDATE, "'endpoint:", "before"))
    here.kill_during(AzureCall("PUT", deployment, "after"), SlackCall(UPDATE, "'endpoint:", "after"))
    here.kill_during(AzureCall("PUT", endpoint, "before"))
    here.kill_during(AzureCall("PUT", endpoint, "after"))
    here.kill_during(SlackCall(POST, "Deployed:", "before"))
    here.kill_during(SlackCall(POST, "Deployed:", "after"))


def chat(here: House, ada: Person) -> None:
    """Ask the model; the bot dies in the middle of its answer, and is asked again while it is dead."""
    here.bot.start()
    card = ada.sees(f"{ENDPOINT}\nServing", timeout=LONG)
    bot = f"<@{here.slack.bot_user_id}>"
    stream = SlackCall("chat.(append|stop)Stream")
    here.kill_during(stream, doing=lambda: ada.says(f"{bot} {QUESTION}", card))
    again = ada.says(f"{bot} {SECOND_QUESTION}", card)
    here.slack.control.deliveries("connection_failed", at_least=2)
    here.bot.start()
    here.slack.control.advance(timedelta(minutes=1))
    ada.sees(lambda m: finished_answer(here, m), thread=card, after=again, timeout=LONG)


def tear_down(here: House, ada: Person) -> None:
    """Delete the endpoint; the bot dies after the press, and at the deletion."""
    ada.runs(f"/ft-teardown {ENDPOINT}")
    endpoint, told = f"/onlineEndpoints/{ENDPOINT}$", "Deleting was asked for"
    press_and_die(here, ada, DELETE, AzureCall("DELETE", endpoint, "before"), SlackCall(POST, told, "before"))
    here.kill_during(AzureCall("DELETE", endpoint, "after"), SlackCall(POST, told, "after"))
    here.bot.start()


def press_and_die(here: House, ada: Person, button: str, *calls: SlackCall | AzureCall) -> None:
    """Press a plan's button, once; the bot dies as soon as Slack has its acknowledgement, and again amid `calls`."""
    plan = ada.sees(lambda m: button in m.buttons, timeout=LONG)
    here.kill_twice(*calls, doing=lambda: ada.clicks(plan, button))


def finished_answer(here: House, message: Message) -> bool:
    """Return whether this is something the bot said to its end, outside of its cards and replies."""
    return message.user == here.slack.bot_user_id and not message.streaming and not message.metadata


def test_there_is_one_job_and_one_model(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure has one pipeline job, which completed, and one version of one model."""
    assert_one_job(lived.house, lived.store, monkeypatch)


def test_there_was_one_endpoint_and_it_is_gone(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure had one endpoint with one deployment, and nothing is left that costs."""
    assert_one_endpoint_and_it_is_gone(lived.house, lived.store, monkeypatch)


def test_each_plan_was_carried_out_once(lived: Lived) -> None:
    """Every plan is taken once, however often its button was pressed."""
    assert_plans_carried_out_once(lived.store)


def test_no_message_is_said_twice_or_lost(lived: Lived) -> None:
    """Slack has every card in its last state and every reply, once."""
    assert_all_told(lived.house, lived.ada, lived.store)


def test_the_history_is_whole_and_told(lived: Lived) -> None:
    """Every event was told, and each that ends something happened once."""
    assert_history_is_whole(lived.store)


def test_a_command_that_was_cut_off_is_said_once(lived: Lived) -> None:
    """Who typed a command that the bot died over is told so, alone and once; nothing acknowledged is left undone."""
    told = [message for message in everything_said(lived.house, lived.ada) if RESTARTED in message.words()]
    assert all(message.ephemeral for message in told)
    assert len([message for message in told if f"{RESTARTED} /ft-validate …" in message.words()]) == 1
    assert not [message for message in told if "your message" in message.words()]  # the broken off answer says it
    assert lived.store.find(Delivery, Delivery.done_at.is_(None)) == []


def test_an_answer_that_broke_off_says_so(lived: Lived) -> None:
    """The half answer says that it broke off; the question asked while the bot was dead is answered, once."""
    said = everything_said(lived.house, lived.ada)
    assert not [message for message in said if message.streaming]
    assert len([message for message in said if BROKEN_OFF.strip("_") in message.words()]) == 1
    assert len([message for message in said if not key_of(message) and not message.ephemeral]) == 1
    assert [turn.text for turn in lived.store.find(Turn, Turn.role == "user")] == [SECOND_QUESTION]


def test_a_second_bot_on_the_folder_is_refused(lived: Lived) -> None:
    """Who starts a second bot on the same folder is told that one has it, and what to do."""
    assert "Another finetune-bot works in" in lived.second_bot
    assert "Stop it, or choose another folder." in lived.second_bot
