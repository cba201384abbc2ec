"""Slack brings a command, a press or a mention again, also to a bot that was started anew: it acts once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from slack_bolt import BoltRequest

from bot.local_slack.person import Person
from core.records.tables import Endpoint, Plan
from tests.scenario.team import Team, team, until

Payload = Mapping[str, Any]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A team in its Slack."""
    with team(tmp_path_factory.mktemp("team")) as here:
        yield here


@pytest.fixture(scope="module")
def ada(room: Team) -> Iterator[Person]:
    """Ada, who deploys."""
    person = room.slack.person("ada")
    yield person
    person.close()


@pytest.fixture(scope="module")
def brought(room: Team, ada: Person) -> list[Payload]:
    """What Slack brought while Ada deployed a model by command and button and asked for help by a mention."""
    payloads: list[Payload] = []

    def keep(body: Payload, next: Callable[[], None]) -> None:
        payloads.append(body)
        next()

    room.bot.app.use(keep)
    ada.runs("/ft-deploy SmolLM2-135M-Instruct name=parrot-3")
    plan = ada.sees(lambda message: "Deploy" in message.buttons, timeout=60)
    ada.clicks(plan, "Deploy")
    ada.sees("parrot-3\nServing", timeout=60)
    said = ada.says(f"<@{room.slack.bot_user_id}> help deploy")
    ada.sees("/ft-deploy", thread=said)
    until(lambda: len(payloads) == 3)
    return payloads


def test_what_is_brought_again_after_a_restart_is_done_once(room: Team, ada: Person, brought: list[Payload]) -> None:
    """The command makes no second plan, the press no second endpoint, the mention no second answer."""
    kinds = {str(payload.get("command") or payload["type"]) for payload in brought}
    assert kinds == {"/ft-deploy", "block_actions", "event_callback"}
    before = [(message.ts, message.words()) for message in ada.channel()]
    room.restart()
    for payload in brought:
        answer = room.bot.app.dispatch(BoltRequest(body=dict(payload), mode="socket_mode"))
        assert answer.status == 200
    room.restart()  # finishes what was taken on
    assert [plan.result for plan in room.bot.services.store.find(Plan)] == ["parrot-3"]
    assert [endpoint.id for endpoint in room.bot.services.store.find(Endpoint)] == ["parrot-3"]
    assert [(ts, words.partition("Cost so far")[0]) for ts, words in before] == [
        (message.ts, message.words().partition("Cost so far")[0]) for message in ada.channel()
    ]
