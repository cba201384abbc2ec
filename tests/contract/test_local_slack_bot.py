"""A person and an unmodified slack-bolt app meet in the local Slack, over Socket Mode and over signed HTTP."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from bot.local_slack.person import NotSeen, Person, SlackRefused
from bot.local_slack.server import RunningWorkspace, running_workspace
from tests.contract.local_slack_bot import Bot, connected_by_http, connected_by_socket_mode, manifest_file


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorkspace]:
    """A workspace that waits half a second instead of three for the app."""
    folder = tmp_path_factory.mktemp("slack")
    with running_workspace(folder, manifest=manifest_file(folder), ack_seconds=0.5) as running:
        yield running


@pytest.fixture(scope="module", params=["socket", "http"])
def connected(request: pytest.FixtureRequest, slack: RunningWorkspace) -> Iterator[Bot]:
    """The app, connected."""
    app = Bot(slack)
    connect = connected_by_socket_mode if request.param == "socket" else connected_by_http
    with connect(app, slack):
        yield app


@pytest.fixture
def bot(connected: Bot, slack: RunningWorkspace) -> Bot:
    """The connected app, in an empty workspace."""
    slack.control.reset()
    connected.go.clear()
    while not connected.seen.empty():
        connected.seen.get_nowait()
    return connected


@pytest.fixture
def ada(bot: Bot, slack: RunningWorkspace) -> Iterator[Person]:
    """A member of the team."""
    person = slack.person("ada")
    yield person
    person.close()


def test_from_command_to_updated_message(ada: Person, slack: RunningWorkspace) -> None:
    """A command shows its plan to one person only; the button posts a card and updates it; the plan is replaced."""
    ada.runs("/plan epochs=3")
    plan = ada.sees("Plan of 3 epochs")
    assert plan.ephemeral
    assert plan.buttons == ["Launch"]
    grace = slack.person("grace")
    assert grace.channel() == []
    ada.clicks(plan, "Launch")
    card = ada.sees("plan-7 is running")
    assert card.edited
    assert ada.sees_again(plan, "Launched.").buttons == []
    assert [message.words() for message in grace.channel()] == ["plan-7 is running"]
    with pytest.raises(SlackRefused, match="message_not_found"):
        grace.clicks(plan, "Launch")
    grace.close()


def test_mention_gives_two_events_and_a_stream(ada: Person, bot: Bot) -> None:
    """A mention arrives as message and as app_mention; the answer is streamed into its thread."""
    question = ada.says("@tuner is 2 < 3 & https://example.com/a?b=1&c=2 true?")
    assert question.text.endswith("is 2 &lt; 3 &amp; <https://example.com/a?b=1&amp;c=2> true?")
    assert question.words().startswith("@tuner is 2 < 3 & https://example.com/a?b=1&c=2")
    answer = ada.sees(lambda message: message.words() == "Hello" and not message.streaming, thread=question)
    assert answer.text == "**Hello**"
    assert {bot.seen.get(timeout=5)[0] for _ in range(2)} == {"message", "app_mention"}


def test_command_is_refused_in_threads(ada: Person, bot: Bot) -> None:
    """Slack refuses slash commands in threads, and commands that the manifest does not have."""
    ada.runs("/plan", thread=ada.says("a thread"))
    assert ada.sees("/plan is not supported in threads. Sorry!").author == "slackbot"
    ada.runs("/unheard-of")
    assert ada.sees("/unheard-of is not a valid command.").ephemeral


def test_late_ack_is_operation_timeout(ada: Person, bot: Bot) -> None:
    """Who does not acknowledge in time shows operation_timeout to the person."""
    ada.runs("/slow")
    assert ada.sees('/slow failed with the error "operation_timeout"').ephemeral


def test_unacknowledged_event_comes_again(ada: Person, bot: Bot, slack: RunningWorkspace) -> None:
    """An event that is not acknowledged comes again at once, after a minute and after five more, as the same event."""
    ada.directly().says("come back later")
    slack.control.deliveries(".*timeout", at_least=2)
    slack.control.advance(timedelta(minutes=1))
    slack.control.deliveries(".*timeout", at_least=3)
    bot.go.set()
    slack.control.advance(timedelta(minutes=5))
    [last] = slack.control.deliveries("acknowledged", at_least=1)
    seen = [bot.seen.get(timeout=5) for _ in range(4)]
    assert {(kind, event_id) for kind, event_id, _ in seen} == {("message", last.event_id)}
    assert sorted(retry for _, _, retry in seen) == ["0", "1", "2", "3"]


def test_modal_with_errors(ada: Person, bot: Bot) -> None:
    """A modal keeps required fields, shows the app's errors, and goes away once the app takes it."""
    ada.runs("/form")
    assert "Name:" in ada.modal("Fine-tune").words()
    assert ada.submits({"Name": "a"}) == {"model": "Please complete this required field."}
    assert ada.submits({"Name": "two words", "Model": "Qwen"}) == {"name": "No spaces, please"}
    assert ada.submits({"Name": "opening-hours", "Model": "Qwen"}) == {}
    assert ada.sees("opening-hours with qwen").channel.startswith("D")
    with pytest.raises(SlackRefused, match="view_not_found"):
        ada.submits({})


def test_home_is_published(ada: Person, bot: Bot) -> None:
    """Who opens the app's home sees what the app publishes."""
    ada.opens_home()
    assert ada.home("My endpoints").words() == "My endpoints"


def test_trigger_expires(ada: Person, bot: Bot, slack: RunningWorkspace) -> None:
    """A modal must be opened within three seconds of what the person did."""
    slack.control.add_fault("hold", "views.open")
    ada.runs("/form")
    held = slack.control.wait_for_held()
    slack.control.advance(timedelta(seconds=4))
    slack.control.release(held)
    [call] = slack.control.calls("views.open", at_least=1, answered=True)
    assert call.answer["error"] == "expired_trigger_id"
    with pytest.raises(NotSeen):
        ada.modal(timeout=0.1)


def test_forged_request_is_refused_by_bolt(bot: Bot, slack: RunningWorkspace) -> None:
    """What the workspace signs is accepted, what it did not sign is not."""
    with connected_by_http(bot, slack) as url:
        body = "command=/plan&text="
        forged = {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v0=0"}
        assert httpx.post(url, content=body, headers=forged).status_code == 401


@pytest.mark.parametrize("connected", ["socket"], indirect=True)
def test_reconnects_when_asked(ada: Person, bot: Bot, slack: RunningWorkspace) -> None:
    """Slack asks for a new connection now and then, and commands go to the new one."""
    slack.control.disconnect()
    slack.control.wait_for_connection()
    ada.runs("/plan")
    assert ada.sees("Plan of 3 epochs")
