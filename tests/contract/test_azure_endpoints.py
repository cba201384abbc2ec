"""An endpoint's life as the bot sees it: begun, deployed, asked, counted, kept, deleted, through the real SDK."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.azure.remedies import remedy
from core.azure.scoring import ScoringClient
from core.azure.types import ChatMessage, DeploymentRequest, Sampling, ScoringTarget
from core.errors import AzureRefused, AzureUnavailable, NotFoundError
from core.local_azure.server.faults import Kind
from core.local_azure.server.processes import Engine
from tests.contract.azure_room import connected, found_by_environment
from tests.contract.local_workspace import until

MODEL = "azureml://registries/azureml/models/SmolLM2-135M-Instruct/versions/1"
ECHO = Engine(serve=(sys.executable, str(Path(__file__).parent / "echo_serve.py")), grace=0.5)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A local workspace whose deployments repeat what they are told."""
    with found_by_environment(tmp_path_factory.mktemp("azure"), ECHO) as azure:
        yield azure


@pytest.fixture
def azure(server):
    """The server without faults and without memory of earlier calls."""
    server.control.clear_faults()
    yield server
    server.control.clear_faults()


@pytest.fixture(scope="module")
def workspace(server):
    return connected(server)


@pytest.fixture
def client():
    made = ScoringClient()
    yield made
    made.close()


def begun(workspace, name: str, traffic: int = 100) -> None:
    """Bring up an endpoint with one deployment."""
    workspace.begin_create_endpoint(name, {"owner": "U1"}, "for a test")
    until(lambda: workspace.endpoint(name).state == "Succeeded")
    workspace.begin_create_deployment(DeploymentRequest(name, "blue", MODEL, "Local_CPU"))
    until(lambda: workspace.deployment(name, "blue").state == "Succeeded")
    if traffic:
        workspace.begin_set_traffic(name, "blue", traffic)
        until(lambda: workspace.endpoint(name).traffic == {"blue": traffic})


@pytest.fixture(scope="module")
def chat(workspace):
    """The name of an endpoint that answers."""
    begun(workspace, "chat")
    return "chat"


def test_endpoint_is_begun_once(azure, workspace):
    """An endpoint and its deployment, asked for twice, are created once and show what was asked for."""
    assert workspace.endpoint("twice") is None
    assert workspace.deployment("twice", "blue") is None
    begun(workspace, "twice")
    workspace.begin_create_endpoint("twice", {}, "")
    workspace.begin_create_deployment(DeploymentRequest("twice", "blue", MODEL, "Local_CPU"))
    workspace.begin_set_traffic("twice", "blue", 100)
    found = workspace.endpoint("twice")
    assert (found.state, found.traffic, found.tags["owner"]) == ("Succeeded", {"blue": 100}, "U1")
    assert found.scoring_uri.endswith("/score")
    assert "twice" in [endpoint.name for endpoint in workspace.endpoints()]
    deployment = workspace.deployment("twice", "blue")
    assert (deployment.state, deployment.instance_type, deployment.instance_count) == ("Succeeded", "Local_CPU", 1)
    assert len(azure.control.calls("/onlineEndpoints/twice$", "PUT")) == 2
    (put,) = azure.control.calls("/deployments/blue$", "PUT")
    asked = json.loads(put.body)["properties"]
    assert asked["requestSettings"]["requestTimeout"] == "PT1M30S"
    assert asked["requestSettings"]["maxConcurrentRequestsPerInstance"] == 4
    assert asked["livenessProbe"]["initialDelay"] == "PT10M"
    assert asked["readinessProbe"]["failureThreshold"] == 30


def test_name_that_azure_does_not_take(workspace):
    """What the SDK itself refuses is told in its reason only, without its advice about files."""
    with pytest.raises(AzureRefused, match="create the endpoint e") as caught:
        workspace.begin_create_endpoint("e", {}, "")
    assert caught.value.why.startswith("The name for an endpoint must be at least 3")
    assert "yaml" not in caught.value.why


def test_begin_returns_at_once(azure, workspace):
    """Nothing is waited for: a deployment that is not ready yet is seen being created."""
    workspace.begin_create_endpoint("slow", {}, "")
    assert workspace.endpoint("slow").state in ("Creating", "Succeeded")
    until(lambda: workspace.endpoint("slow").state == "Succeeded")
    began = time.perf_counter()
    workspace.begin_create_deployment(DeploymentRequest("slow", "blue", MODEL, "Local_CPU"))
    assert time.perf_counter() - began < 5
    assert workspace.deployment("slow", "blue").state in ("Creating", "Updating", "Succeeded")
    with pytest.raises(NotFoundError):
        workspace.begin_set_traffic("nowhere", "blue", 100)


def test_chat_streams(workspace, chat, client):
    """A question to the endpoint is answered piece by piece and whole, by the deployment that has the traffic."""
    target = workspace.scoring_target(chat)
    assert target.deployment == "blue"
    assert target.key not in repr(target)
    pieces = list(client.stream(target, [ChatMessage("user", "Ciao!")], Sampling()))
    assert pieces == ["C", "i", "a", "o", "!"]
    answer = client.ask(target, [ChatMessage("user", "Ciao!")], Sampling())
    assert (answer.text, answer.deployment, answer.completion_tokens) == ("Ciao!", "blue", 5)


def test_questions_that_fail(workspace, chat, client):
    """A wrong key, a missing deployment and a failing model are told apart."""
    target = workspace.scoring_target(chat)
    hello = [ChatMessage("user", "Hello")]
    with pytest.raises(AzureRefused, match="key"):
        client.ask(ScoringTarget(target.uri, "wrong", target.deployment), hello, Sampling())
    with pytest.raises(AzureRefused, match="not there"):
        client.ask(ScoringTarget(target.uri, target.key, "green"), hello, Sampling())
    client.ask(target, hello, Sampling())
    with pytest.raises(AzureRefused, match="model itself failed") as caught:
        client.ask(target, [ChatMessage("user", "break")], Sampling())
    assert "the model broke" in caught.value.why


def test_requests_are_counted(workspace, chat, client):
    """How often people asked since a moment is what decides whether an endpoint idles."""
    now = datetime.now(UTC)
    counted = workspace.requests_since(chat, now - timedelta(hours=1), now + timedelta(minutes=1))
    for _ in range(3):
        client.ask(workspace.scoring_target(chat), [ChatMessage("user", "Hi")], Sampling())
    later = workspace.requests_since(chat, now - timedelta(hours=1), now + timedelta(minutes=1))
    assert later - counted == 3
    assert workspace.requests_since(chat, now - timedelta(hours=3), now - timedelta(hours=2)) == 0


def test_tags_are_added_and_traffic_stays(azure, workspace, chat):
    """Keeping an endpoint longer adds a tag and changes nothing else; the same again writes nothing."""
    workspace.tag_endpoint(chat, {"keep-until": "2026-12-01"})
    until(lambda: workspace.endpoint(chat).state == "Succeeded")
    found = workspace.endpoint(chat)
    assert found.tags == {"owner": "U1", "keep-until": "2026-12-01"}
    assert found.traffic == {"blue": 100}
    writes = len(azure.control.calls(f"/onlineEndpoints/{chat}$", "PUT"))
    workspace.tag_endpoint(chat, {"keep-until": "2026-12-01"})
    assert len(azure.control.calls(f"/onlineEndpoints/{chat}$", "PUT")) == writes


def test_log_of_a_deployment(workspace, chat):
    """The last lines of a deployment's log are there to read."""
    lines = workspace.deployment_logs(chat, "blue", 200)
    assert any("serving" in line for line in lines)
    assert len(workspace.deployment_logs(chat, "blue", 1)) <= 1


def test_deployment_without_quota(azure, workspace):
    """A deployment for which there is no quota is refused with what to do, and succeeds once there is some."""
    workspace.begin_create_endpoint("scarce", {}, "")
    until(lambda: workspace.endpoint("scarce").state == "Succeeded")
    azure.control.add_scarcity("deployment", message="Not enough quota available for Local_CPU.")
    with pytest.raises(AzureRefused, match="deploy blue on the endpoint scarce") as caught:
        workspace.begin_create_deployment(DeploymentRequest("scarce", "blue", MODEL, "Local_CPU"))
    assert "Not enough quota" in caught.value.why
    assert "more quota" in caught.value.next
    workspace.begin_create_deployment(DeploymentRequest("scarce", "blue", MODEL, "Local_CPU"))
    until(lambda: workspace.deployment("scarce", "blue").state == "Succeeded")


def test_failed_deployment_says_why(azure, workspace):
    """A deployment that failed keeps Azure's reason, also for a bot that was started after it failed."""
    workspace.begin_create_endpoint("crash", {}, "")
    until(lambda: workspace.endpoint("crash").state == "Succeeded")
    workspace.begin_create_deployment(DeploymentRequest("crash", "dies", MODEL, "Local_CPU"))
    until(lambda: workspace.deployment("crash", "dies").state == "Failed")
    error = connected(azure).deployment("crash", "dies").error
    assert "ResourceNotReady" in error or "container" in error
    assert "log" in remedy("", error)


def test_busy_endpoint_is_not_overwritten(workspace):
    """While an endpoint changes it still shows its old traffic, so a tag written meanwhile does not bring that back."""
    begun(workspace, "busy", traffic=0)
    workspace.begin_set_traffic("busy", "blue", 100)

    def tagged() -> bool:
        try:
            workspace.tag_endpoint("busy", {"keep-until": "2026-12-01"})
        except AzureUnavailable as error:
            assert "being changed" in str(error)
            return False
        return True

    until(tagged)
    until(lambda: workspace.endpoint("busy").state == "Succeeded")
    found = workspace.endpoint("busy")
    assert (found.traffic, found.tags["keep-until"]) == ({"blue": 100}, "2026-12-01")


def test_deleted_endpoint(workspace):
    """An endpoint is deleted with its deployment; deleting what is gone is no error, asking it is."""
    begun(workspace, "gone", traffic=0)
    workspace.begin_delete_endpoint("gone")
    workspace.begin_delete_endpoint("gone")
    until(lambda: workspace.endpoint("gone") is None)
    workspace.begin_delete_endpoint("gone")
    assert workspace.deployment("gone", "blue") is None
    for ask in (lambda: workspace.scoring_target("gone"), lambda: workspace.tag_endpoint("gone", {})):
        with pytest.raises(NotFoundError):
            ask()


BEGIN = """
from core.azure.workspace import connect
from core.settings import AzureSettings
workspace = connect(AzureSettings())
workspace.begin_create_endpoint("left", {}, "")
"""


def test_process_does_not_wait_for_what_it_began(azure):
    """A bot that is stopped in the middle of an operation ends at once, quietly, and the operation goes on."""
    azure.control.add_fault(Kind.HOLD, "/mfeOperationsStatus/", times=100)
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", BEGIN],
        env=dict(os.environ),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    azure.control.clear_faults()
    until(lambda: connected(azure).endpoint("left").state == "Succeeded")
