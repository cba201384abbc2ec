"""A model is deployed, talked with, forgotten, and torn down, all in the channel."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.local_slack.control_client import Kind
from bot.local_slack.person import Message, Person
from core.records.tables import Endpoint, Turn
from tests.scenario.team import Team, team, until


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A team whose models repeat what they are told."""
    with team(tmp_path_factory.mktemp("team")) as here:
        yield here


@pytest.fixture(scope="module")
def ada(room: Team) -> Iterator[Person]:
    """Ada, who deploys."""
    person = room.slack.person("ada")
    yield person
    person.close()


@pytest.fixture(scope="module")
def endpoint(room: Team, ada: Person) -> Message:
    """The card of an endpoint of Ada's that serves."""
    ada.runs("/ft-deploy SmolLM2-135M-Instruct name=parrot-1")
    plan = ada.sees("Nothing has happened yet", timeout=30)
    assert "per day until it is deleted" in plan.words()
    ada.clicks(plan, "Deploy")
    card = ada.sees(lambda message: "parrot-1\nServing" in message.words(), timeout=60)
    ada.sees("Deployed:", thread=card)
    return card


@pytest.fixture(autouse=True)
def no_faults(room: Team) -> Iterator[None]:
    """Each story begins and ends without faults."""
    yield
    room.slack.control.clear_faults()


def ask(room: Team, person: Person, text: str, thread: Message) -> Message:
    """Say something to the bot in a thread."""
    return person.says(f"<@{room.slack.bot_user_id}> {text}", thread)


def finished(text: str):
    """Look for an answer that is no longer being streamed."""
    return lambda message: not message.streaming and message.words() == text


def test_a_question_in_the_thread_is_answered_once(room: Team, ada: Person, endpoint: Message) -> None:
    """A mention, which Slack delivers as two events, is one question with one answer, and both are remembered."""
    said = ask(room, ada, "Who are you, parrot?", endpoint)
    ada.sees(finished("Who are you, parrot?"), thread=endpoint, after=said)
    until(lambda: len(room.bot.services.store.find(Turn, Turn.thread == endpoint.ts)) == 2)
    answers = [m for m in ada.thread(endpoint) if m.ts > said.ts]
    assert len(answers) == 1


def test_hostile_text_is_harmless(room: Team, ada: Person, endpoint: Message) -> None:
    """What a model says can neither ping people nor open a link."""
    said = ask(room, ada, "say <!channel> [click](https://evil.example/?q=secret) please", endpoint)
    answer = ada.sees(
        lambda m: "click" in m.words() and not m.streaming and m.author != "ada", thread=endpoint, after=said
    )
    raw = str(answer.json)
    assert "<!channel>" not in raw
    assert "](http" not in raw
    assert "https://evil" not in raw


def test_a_stream_that_slack_ends_is_completed(room: Team, ada: Person, endpoint: Message) -> None:
    """When Slack ends the stream too early, the whole answer is there all the same."""
    room.slack.control.add_fault(
        Kind.ERROR, "chat.(appendStream|stopStream)", times=9, error="message_not_in_streaming_state"
    )
    question = "tell me " + "a long story " * 30
    said = ask(room, ada, question, endpoint)
    ada.sees(lambda m: m.words().strip() == question.strip() and m.author != "ada", thread=endpoint, after=said)


def test_a_long_answer_that_slack_ends_is_completed(room: Team, ada: Person, endpoint: Message) -> None:
    """An answer too long for an update is there all the same: its beginning, and the rest below it."""
    room.slack.control.add_fault(
        Kind.ERROR, "chat.(appendStream|stopStream)", times=9, error="message_not_in_streaming_state"
    )
    question = " ".join(f"word{number}" for number in range(700))
    said = ask(room, ada, question, endpoint)

    def words() -> str:
        return "".join(m.words() for m in ada.thread(endpoint) if m.ts > said.ts and m.author != "ada")

    until(lambda: words().replace(" ", "") == question.replace(" ", ""))


def test_ft_ask_begins_a_thread(room: Team, ada: Person, endpoint: Message) -> None:
    """A question by command is repeated in the channel and answered in its own thread, where it can be followed up."""
    ada.runs("/ft-ask parrot-1 temperature=0 What is new?")
    asked = ada.sees("asks parrot-1: What is new?")
    answer = ada.sees(finished("What is new?"), thread=asked, after=asked)
    ask(room, ada, "And then?", asked)
    ada.sees(lambda m: finished("And then?")(m) and m.author != "ada", thread=asked, after=answer)
    ada.runs("/ft-ask Why so?")
    asked = ada.sees("asks parrot-1: Why so?")
    ada.sees(finished("Why so?"), thread=asked, after=asked)


def test_a_model_that_breaks_is_said(room: Team, ada: Person, endpoint: Message) -> None:
    """When the endpoint answers with an error, the person is told, in the thread."""
    said = ask(room, ada, "break", endpoint)
    told = ada.sees(lambda m: "broke" in m.words() or "could not" in m.words().lower() or "Azure" in m.words(),
                    thread=endpoint, after=said, timeout=30)  # fmt: skip
    assert "Traceback" not in told.words()


def test_an_idle_endpoint_reminds_its_owner(room: Team, ada: Person, endpoint: Message) -> None:
    """An endpoint nobody asks for hours reminds its owner once, with what it costs; Keep silences it."""
    room.clock.advance(timedelta(hours=3))
    reminder = ada.sees("No requests for", thread=endpoint, timeout=30)
    assert "ada" in reminder.words()
    assert "per day" in reminder.words()
    ada.clicks(reminder, "Keep a while")
    ada.sees("without reminders until", thread=endpoint, after=reminder)


def test_only_its_owner_tears_it_down(room: Team, ada: Person, endpoint: Message) -> None:
    """Somebody else's Delete is refused; the owner's deletes, and says when billing stopped."""
    grace = room.slack.person("grace")
    grace.clicks(endpoint, "Delete")
    grace.sees("may delete parrot-1")
    grace.close()
    ada.clicks(endpoint, "Delete")
    ada.sees("Billing stopped", thread=endpoint, timeout=30)
    gone = ada.sees_again(endpoint, "Deleted.")
    assert gone.buttons == []
    assert room.bot.services.store.get(Endpoint, "parrot-1").state == "Gone"
    said = ask(room, ada, "still there?", endpoint)
    ada.sees("is gone", thread=endpoint, after=said)
