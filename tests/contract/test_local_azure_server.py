"""The server itself: who may call it, what it keeps, and the faults that tests can ask of it."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import DefaultAzureCredential

from core.clock import system_clock
from core.errors import ConfigurationError
from core.local_azure.server.control_client import Control
from core.local_azure.server.identity import Tokens
from core.local_azure.server.running import running_azure
from tests.contract.conftest import point_to, workspace_client

CONNECTION_ERRORS = (ServiceRequestError, ServiceResponseError, IncompleteReadError)


def get(azure, path: str, authorization: str | None = None) -> httpx.Response:
    """Call the server without any SDK."""
    headers = {"Authorization": authorization} if authorization else {}
    return httpx.get(f"{azure.url}{path}", headers=headers, verify=str(azure.ca_file))


def test_a_call_without_a_token_is_refused(azure):
    """I call the workspace without signing in: 401 in the gateway's words."""
    answer = get(azure, azure.workspace.resource_id)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AuthenticationFailed"
    assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=")
    assert answer.headers["x-ms-failure-cause"] == "gateway"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("forged", "InvalidAuthenticationToken"),
        ("expired", "ExpiredAuthenticationToken"),
        ("elsewhere", "InvalidAuthenticationTokenAudience"),
    ],
)
def test_a_bad_token_is_refused(azure, fault, code):
    """I present a forged, an old or another service's token: 401 each time."""
    workspace = azure.workspace
    key = "0" * 64 if fault == "forged" else workspace.signing_key
    tokens = Tokens(key, workspace.tenant, workspace.url)
    audience = "https://vault.azure.net" if fault == "elsewhere" else None
    token = tokens.mint(audience, timedelta(seconds=-1) if fault == "expired" else timedelta(hours=1))
    answer = get(azure, workspace.resource_id, f"Bearer {token}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


def test_tokens_need_the_identity_header(azure, monkeypatch):
    """Another program on this machine, without the secret header, gets no token."""
    monkeypatch.setenv("IDENTITY_HEADER", "guessed")
    with pytest.raises(ClientAuthenticationError):
        DefaultAzureCredential().get_token("https://management.azure.com/.default")


def test_control_needs_its_token(azure):
    """A client of the workspace cannot reach the control plane."""
    token = Tokens(azure.workspace.signing_key, azure.workspace.tenant, azure.url).mint()
    assert get(azure, "/_control/calls", f"Bearer {token}").status_code == 401


def test_paths_ignore_case(azure, workspace):
    """Azure Resource Manager ignores the case of paths, and so does the local one."""
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    path = f"{azure.workspace.resource_id}/computes/this-machine".upper()
    assert get(azure, path, f"Bearer {token}").json()["name"] == "this-machine"


def test_a_restarted_server_keeps_url_state_and_clients(tmp_path, monkeypatch):
    """I stop the server and start it on the same folder: same address, same computes, and my client goes on."""
    with running_azure(tmp_path) as azure:
        point_to(azure, monkeypatch)
        client = workspace_client(azure)
        size = client.compute.get("this-machine").size
        client.compute.begin_create_or_update(AmlCompute(name="second", size=size)).wait()
        client.compute.begin_delete("this-machine").wait()
    with running_azure(tmp_path) as again:
        assert again.url == azure.url
        assert [compute.name for compute in client.compute.list()] == ["second"]


def test_a_folder_is_served_once(tmp_path):
    """I start a second server on the same folder: a clear sentence, no damage."""
    with running_azure(tmp_path) as azure:
        with (
            pytest.raises(ConfigurationError, match=f"Port {azure.workspace.port} of 127.0.0.1 is in use"),
            running_azure(tmp_path),
        ):
            pass
        with pytest.raises(ConfigurationError, match="belongs to port"), running_azure(tmp_path, port=1):
            pass


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    """I have not installed the `local` extra: the sentence says how."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ConfigurationError, match=r"finetune-bot\[local\]"), running_azure(tmp_path):
        pass


def test_a_status_fault_strikes_once(azure, workspace):
    """A rehearsed refusal strikes the named call once, as Azure would word it."""
    azure.control.add_fault("status", "/computes$", status=403, code="AuthorizationFailed", message="not you")
    with pytest.raises(HttpResponseError) as caught:
        list(workspace.compute.list())
    assert (caught.value.status_code, caught.value.error.code) == (403, "AuthorizationFailed")
    assert len(list(workspace.compute.list())) == 1


def test_throttling_is_retried_by_the_sdk(azure, workspace):
    """Azure asks for patience and the SDK has it."""
    azure.control.add_fault("status", "/computes$", status=429, code="TooManyRequests", headers={"Retry-After": "0"})
    assert len(list(workspace.compute.list())) == 1
    assert [call.status for call in azure.control.calls(path="/computes$")] == [429, 200]


@pytest.mark.parametrize(("moment", "exists"), [("before", False), ("after", True)])
def test_a_dropped_call_may_or_may_not_have_had_its_effect(azure, workspace, moment, exists):
    """The connection dies in the middle of a creation: only the moment tells whether the cluster exists."""
    size = workspace.compute.get("this-machine").size
    # Without retries, so that the SDK does not heal what this test looks at.
    client = workspace_client(azure, retry_total=0)
    azure.control.add_fault("drop", "/computes/torn$", method="PUT", moment=moment, times=10)
    with pytest.raises(CONNECTION_ERRORS):
        client.compute.begin_create_or_update(AmlCompute(name="torn", size=size))
    azure.control.clear_faults()
    names = [compute.name for compute in workspace.compute.list()]
    assert ("torn" in names) == exists


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_held_call_waits_until_it_is_released(azure, workspace, moment):
    """I hold a creation, look at it from outside, and let it go: the client notices nothing but time."""
    size = workspace.compute.get("this-machine").size
    azure.control.add_fault("hold", "/computes/slow$", method="PUT", moment=moment)
    with ThreadPoolExecutor() as pool:
        made = pool.submit(
            lambda: workspace.compute.begin_create_or_update(AmlCompute(name="slow", size=size)).result()
        )
        held = azure.control.wait_for_held()
        assert (held.call.method, held.moment) == ("PUT", moment)
        assert '"vmSize"' in held.call.body
        assert not made.done()
        assert ("slow" in [c.name for c in workspace.compute.list()]) == (moment == "after")
        azure.control.release(held)
        assert made.result(timeout=30).provisioning_state == "Succeeded"


PUT_COMPUTE = """
import httpx, os, ssl, sys
context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
client = httpx.Client(verify=context, trust_env=False, timeout=60)
client.put(sys.argv[1], headers={"Authorization": sys.argv[2]}, content=sys.argv[3])
"""


@pytest.mark.parametrize(("release", "exists"), [(True, True), (False, False)])
def test_a_client_may_die_while_its_call_is_held(azure, workspace, release, exists):
    """The bot is killed in the middle of a request: the test decides whether Azure had received it."""
    size = workspace.compute.get("this-machine").size
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    body = {"location": "local", "properties": {"computeType": "AmlCompute", "properties": {"vmSize": size}}}
    url = f"{azure.url}{azure.workspace.resource_id}/computes/orphan"
    azure.control.add_fault("hold", "/computes/orphan$", method="PUT")
    with subprocess.Popen([sys.executable, "-c", PUT_COMPUTE, url, f"Bearer {token}", json.dumps(body)]) as client:
        held = azure.control.wait_for_held()
        client.kill()
    (azure.control.release if release else azure.control.drop)(held)
    if exists:
        azure.control.wait_for_answer(held)
    assert ("orphan" in [compute.name for compute in workspace.compute.list()]) == exists


def test_calls_are_told_with_their_bodies(azure, workspace):
    """I wait until a call arrives, and read what was sent."""
    size = workspace.compute.get("this-machine").size
    caller = threading.Thread(
        target=lambda: workspace.compute.begin_create_or_update(AmlCompute(name="seen", size=size)).wait()
    )
    caller.start()
    (call,) = azure.control.calls(path="/computes/seen$", method="PUT", at_least=1, timeout=20)
    caller.join()
    assert '"computeType": "AmlCompute"' in call.body


def test_the_clock_goes_forward(azure):
    """I move the server a week ahead and it says so."""
    with Control(azure.url, azure.workspace.control_token, azure.ca_file) as control:
        assert control.advance(timedelta(days=7)) >= system_clock() + timedelta(days=6)


def test_reset_empties_the_workspace(azure, workspace):
    """I begin anew: computes of others are gone, the first one is back."""
    size = workspace.compute.get("this-machine").size
    workspace.compute.begin_create_or_update(AmlCompute(name="old", size=size)).wait()
    workspace.compute.begin_delete("this-machine").wait()
    azure.control.reset()
    assert [compute.name for compute in workspace.compute.list()] == ["this-machine"]
    with pytest.raises(ResourceNotFoundError):
        workspace.compute.get("old")
