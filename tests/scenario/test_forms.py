"""Commands without arguments open a form; what is wrong is marked at its field, and what is right becomes a plan."""

from collections.abc import Iterator

import pytest

from bot.local_slack.person import Person
from tests.scenario.team import Team, team


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """One team for all forms."""
    with team(tmp_path_factory.mktemp("team")) as here:
        yield here


@pytest.fixture
def ada(room: Team) -> Iterator[Person]:
    """Ada, who fills in forms."""
    person = room.slack.person("ada")
    yield person
    person.close()


@pytest.fixture(scope="module")
def endpoint(room: Team) -> str:
    """The name of an endpoint that serves."""
    ada = room.slack.person("ada")
    ada.runs("/ft-deploy SmolLM2-135M-Instruct name=parrot-5")
    ada.clicks(ada.sees(lambda message: "Deploy" in message.buttons, timeout=60), "Deploy")
    ada.sees("parrot-5\nServing", timeout=60)
    ada.close()
    return "parrot-5"


def test_an_endpoint_is_chosen_and_its_deletion_planned(room: Team, ada: Person, endpoint: str) -> None:
    """The form of /ft-teardown offers what is up with its price, wants a choice, and ends in a plan."""
    ada.runs("/ft-teardown")
    form = ada.modal("Delete an endpoint")
    assert list(ada.submits().values()) == ["Please complete this required field."]
    assert ada.offered(form, "Endpoint", "nothing like it") == []
    chosen = ada.picks(form, "Endpoint", "parr")
    assert "Serving" in chosen["text"]["text"]
    assert "/day" in chosen["text"]["text"]
    assert ada.submits({"Endpoint": chosen}) == {}
    plan = ada.sees("Delete the endpoint")
    assert endpoint in plan.words()
    ada.clicks(plan, "Dismiss")


def test_what_is_wrong_is_marked_at_its_field(room: Team, ada: Person, endpoint: str) -> None:
    """An endpoint that went away while the form was open is refused in the form, which stays open."""
    ada.runs("/ft-teardown")
    form = ada.modal("Delete an endpoint")
    gone = {"text": {"type": "plain_text", "text": "an old one"}, "value": "long-gone"}
    assert "no endpoint `long-gone`" in ada.submits({"Endpoint": gone})["endpoint"]
    assert ada.submits({"Endpoint": ada.picks(form, "Endpoint")}) == {}


def test_a_form_that_slack_opens_no_more_is_explained(room: Team, ada: Person, endpoint: str) -> None:
    """When the three seconds are over, the person is told what to do instead."""
    room.slack.control.add_fault("error", "views.open", error="expired_trigger_id")
    ada.runs("/ft-teardown")
    told = ada.sees("The form could not be opened")
    assert "type the command with its parameters" in told.words()


def test_what_happened_meanwhile_is_marked(room: Team, ada: Person, endpoint: str) -> None:
    """An endpoint that was deleted while the form was open is refused at its field."""
    ada.runs("/ft-teardown")
    chosen = ada.picks(ada.modal("Delete an endpoint"), "Endpoint")
    ada.clicks(ada.sees(f"{endpoint}\nServing"), "Delete")
    ada.sees("Billing stopped", timeout=60)
    assert "already gone" in ada.submits({"Endpoint": chosen})["endpoint"]
