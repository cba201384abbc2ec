"""The life of endpoints in the local workspace, as the unmodified azure-ai-ml and HTTP clients see it."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from hypothesis import given
from hypothesis import strategies as st

from core.local_azure.server.durations import seconds
from core.local_azure.server.sizes import local_size
from tests.contract.local_workspace import Credential, client, serving, until

QUESTION = {"input_data": {"input_string": [{"role": "user", "content": "hi"}], "parameters": {}}}


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("workspace")) as azure:
        yield azure


@pytest.fixture(scope="module")
def ml(azure):
    return client(azure)


@pytest.fixture(scope="module")
def http(azure):
    with httpx.Client(verify=str(azure.ca_file), trust_env=False) as http:
        yield http


def register(azure, ml, name, order=""):
    """Register a model whose serving process obeys `order`; return its id."""
    folder = azure.folder / "blobs" / azure.workspace.container / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text("flavors:\n  hftransformersv2: {}\n")
    (folder / "order").write_text(order)
    path = f"azureml://datastores/workspaceblobstore/paths/models/{name}"
    return ml.models.create_or_update(Model(path=path, type=AssetTypes.MLFLOW_MODEL, name=name, version="1")).id


def deployment(endpoint, name, model, **options):
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name=endpoint,
        model=model,
        instance_type=local_size().name,
        instance_count=1,
        request_settings=OnlineRequestSettings(request_timeout_ms=options.pop("request_timeout_ms", 90_000)),
        **options,
    )


def raw(azure, http, method, path, body=None):
    """Call the front end without an SDK."""
    headers = {"Authorization": f"Bearer {Credential(azure).get_token(azure.url).token}"}
    return http.request(method, azure.url + azure.workspace.resource_id + path, json=body, headers=headers)


@pytest.fixture(scope="module")
def endpoint(ml):
    return ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="chat-ep", auth_mode="key")).result()


@pytest.fixture(scope="module")
def demo(azure, ml, endpoint):
    """The endpoint with a deployment that has all the traffic."""
    model = register(azure, ml, "good")
    blue = deployment("chat-ep", "demo", model, liveness_probe=ProbeSettings(initial_delay=600))
    ml.online_deployments.begin_create_or_update(blue).result()
    endpoint.traffic = {"demo": 100}
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    return ml.online_endpoints.get("chat-ep")


@pytest.fixture(scope="module")
def key(ml, demo):
    return ml.online_endpoints.get_keys("chat-ep").primary_key


def call(http, endpoint, key, body=QUESTION, **headers):
    return http.post(endpoint.scoring_uri, json=body, headers={"Authorization": f"Bearer {key}", **headers})


def test_a_new_endpoint_has_no_address_until_it_succeeds(azure, http):
    """A client that reads the raw answers sees Azure's: 201, Creating, no addresses; then Succeeded with them."""
    body = {"location": "local", "properties": {"authMode": "Key", "properties": {}, "traffic": {}}}
    answer = raw(azure, http, "PUT", "/onlineEndpoints/fresh-ep", body)
    properties = answer.json()["properties"]
    assert (answer.status_code, properties["provisioningState"], properties["scoringUri"]) == (201, "Creating", None)
    assert "mfeOperationsStatus/oe:" in answer.headers["Azure-AsyncOperation"]
    assert answer.headers["Location"].endswith("/onlineEndpoints/fresh-ep")
    until(lambda: _state(azure, http, "/onlineEndpoints/fresh-ep") == "Succeeded")
    properties = raw(azure, http, "GET", "/onlineEndpoints/fresh-ep").json()["properties"]
    assert properties["scoringUri"] == f"{azure.url}/endpoints/fresh-ep/score"
    assert raw(azure, http, "DELETE", "/onlineEndpoints/fresh-ep").status_code == 202
    until(lambda: raw(azure, http, "GET", "/onlineEndpoints/fresh-ep").status_code == 404)


def test_a_person_calls_an_endpoint(http, demo, key):
    """With its key an endpoint answers, and says which deployment did."""
    answer = call(http, demo, key)
    assert answer.json()["output"].startswith("good: ")
    assert answer.headers["azureml-model-deployment"] == "demo"
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert demo.traffic == {"demo": 100}


def test_the_sdk_invokes_the_endpoint(ml, demo, tmp_path):
    """azure-ai-ml's own invoke works, with and without a deployment's name."""
    file = tmp_path / "request.json"
    file.write_text(json.dumps(QUESTION | {"params": {}}))
    assert "params" in ml.online_endpoints.invoke("chat-ep", request_file=str(file), deployment_name="demo")
    assert "params" in ml.online_endpoints.invoke("chat-ep", request_file=str(file))


@pytest.mark.parametrize(
    ("header", "text"),
    [("Bearer wrong", "key_auth_access_denied"), ("", "key_auth_bad_header_forbidden")],
)
def test_a_wrong_key_is_refused(http, demo, header, text):
    """Without the right key nobody is answered."""
    answer = http.post(demo.scoring_uri, json=QUESTION, headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.text) == (401, text)


def test_an_unknown_deployment_is_not_found(http, demo, key):
    """The header may only name a deployment of this endpoint."""
    answer = call(http, demo, key, **{"azureml-model-deployment": "nobody"})
    assert (answer.status_code, answer.text) == (404, "Specified deployment could not be found.")


def test_a_chat_streams_through(http, demo, key):
    """The first words of a chat arrive before the last ones are spoken."""
    url = demo.scoring_uri.replace("/score", "/v1/chat/completions")
    with http.stream("POST", url, json={"stream": True}, headers={"Authorization": f"Bearer {key}"}) as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"data: one\n\n"
        assert call(http, demo, key, {"got": True}).status_code == 200
        assert b"".join(parts) == b"data: [DONE]\n\n"


def test_requests_are_counted_per_minute(azure, http, demo, key):
    """Azure Monitor's metric tells how often an endpoint was called; the supervisor's own looks do not count."""
    before = sum(_requests(azure, http, demo))
    for _ in range(3):
        call(http, demo, key)
    points = _requests(azure, http, demo)
    assert sum(points) == before + 3
    assert len(points) > 55


def test_an_unknown_metric_is_refused(azure, http, demo):
    """A metric that endpoints do not have is a bad request."""
    path = "/onlineEndpoints/chat-ep/providers/Microsoft.Insights/metrics?metricnames=Nothing"
    answer = raw(azure, http, "GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


def test_a_model_that_fails_is_a_model_error(azure, ml, http, demo, key):
    """What the container answers with 500 the front door answers with 424, and the header names the cause."""
    ml.online_deployments.begin_create_or_update(
        deployment("chat-ep", "failing", register(azure, ml, "failing", "fail"))
    ).result()
    answer = call(http, demo, key, **{"azureml-model-deployment": "failing"})
    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "500")


def test_a_slow_model_times_out_and_has_a_limit(azure, ml, http, demo, key):
    """A request that takes longer than request_timeout_ms gets 408; requests beyond twice the concurrency get 429."""
    slow = deployment("chat-ep", "slow", register(azure, ml, "slow", "slow"), request_timeout_ms=1000)
    ml.online_deployments.begin_create_or_update(slow).result()

    async def three():
        url, headers = demo.scoring_uri, {"Authorization": f"Bearer {key}", "azureml-model-deployment": "slow"}
        async with httpx.AsyncClient(verify=str(azure.ca_file), trust_env=False) as asked:
            calls = (asked.post(url, json=QUESTION, headers=headers, timeout=20) for _ in range(3))
            return await asyncio.gather(*calls)

    answers = asyncio.run(three())
    assert sorted(answer.status_code for answer in answers) == [408, 408, 429]
    assert ml.online_deployments.get("slow", "chat-ep").request_settings.request_timeout_ms == 1000


def test_a_crashing_container_fails_the_deployment(azure, ml, demo):
    """When the serving process dies, the deployment fails with ResourceNotReady and quotes the log."""
    with pytest.raises(HttpResponseError, match="User container has crashed") as failed:
        ml.online_deployments.begin_create_or_update(
            deployment("chat-ep", "broken", register(azure, ml, "broken", "crash"))
        ).result()
    assert "the weights are broken" in str(failed.value)
    assert "ResourceNotReady" in str(failed.value)
    assert ml.online_deployments.get("broken", "chat-ep").provisioning_state == "Failed"
    assert "the weights are broken" in ml.online_deployments.get_logs("broken", "chat-ep", lines=5)
    mounted = ml.online_deployments.get_logs("broken", "chat-ep", lines=50, container_type="storage-initializer")
    assert "MLmodel" in mounted
    ml.online_deployments.begin_delete("broken", "chat-ep").result()
    with pytest.raises(ResourceNotFoundError):
        ml.online_deployments.get("broken", "chat-ep")


def test_an_unknown_model_fails_the_deployment(azure, ml, demo):
    """A deployment of a model that is not registered fails."""
    model = f"{azure.workspace.resource_id}/models/nobody/versions/1"
    with pytest.raises(HttpResponseError, match="ResourceNotFound"):
        ml.online_deployments.begin_create_or_update(deployment("chat-ep", "lost", model)).result()
    assert ml.online_deployments.get("lost", "chat-ep").provisioning_state == "Failed"


@pytest.mark.parametrize(
    ("traffic", "message"),
    [({"nobody": 100}, "does not exist"), ({"demo": 50}, "must be 0 or 100 percent")],
)
def test_traffic_must_add_up(ml, demo, traffic, message):
    """Traffic goes to deployments that exist, and all of it goes somewhere."""
    with pytest.raises(HttpResponseError, match=message) as refused:
        ml.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name="chat-ep", auth_mode="key", traffic=traffic)
        ).result()
    assert refused.value.status_code == 400
    assert ml.online_endpoints.get("chat-ep").traffic["demo"] == 100


@pytest.mark.parametrize("name", ["ab", "9lives", "two--hyphens", "ends-", "under_score", "x" * 33])
def test_bad_names_are_refused(azure, http, name):
    """Names of endpoints are 3 to 32 letters, digits and single hyphens, beginning with a letter."""
    answer = raw(azure, http, "PUT", f"/onlineEndpoints/{name}", {"properties": {"authMode": "Key"}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


def test_mirrored_traffic_reaches_the_mirror(azure, ml, http, demo, key):
    """A share of the live requests is sent to the mirror too, whose answers nobody sees."""
    ml.online_deployments.begin_create_or_update(deployment("chat-ep", "shadow", register(azure, ml, "good"))).result()
    half = ManagedOnlineEndpoint(name="chat-ep", auth_mode="key", traffic={"demo": 100}, mirror_traffic={"shadow": 50})
    ml.online_endpoints.begin_create_or_update(half).result()

    def mirrored() -> bool:
        assert call(http, demo, key).headers["azureml-model-deployment"] == "demo"
        return "/score" in ml.online_deployments.get_logs("shadow", "chat-ep", lines=10)

    until(mirrored)
    with pytest.raises(HttpResponseError, match="at most 50 percent"):
        half.mirror_traffic = {"shadow": 60}
        ml.online_endpoints.begin_create_or_update(half).result()
    half.mirror_traffic = {}
    ml.online_endpoints.begin_create_or_update(half).result()


def test_a_deployment_with_traffic_is_not_deleted(ml, demo):
    """A deployment that people are using must lose its traffic first."""
    with pytest.raises(HttpResponseError, match="Set it to 0 first"):
        ml.online_deployments.begin_delete("demo", "chat-ep")


def test_quota_refuses_a_deployment(azure, ml, demo):
    """A size of which the subscription has no cores is refused in the words people know."""
    big = deployment("chat-ep", "big", register(azure, ml, "good"))
    big.instance_type = "Standard_NC24ads_A100_v4"
    with pytest.raises(HttpResponseError, match="Not enough quota available") as refused:
        ml.online_deployments.begin_create_or_update(big)
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadRequest")


def test_a_regenerated_key_replaces_the_old_one(http, ml, demo):
    """After its secondary key was regenerated, the old one no longer opens the endpoint."""
    old = ml.online_endpoints.get_keys("chat-ep").secondary_key
    assert call(http, demo, old).status_code == 200
    ml.online_endpoints.begin_regenerate_keys("chat-ep", key_type="secondary").result()
    new = ml.online_endpoints.get_keys("chat-ep").secondary_key
    assert call(http, demo, old).status_code == 401
    assert call(http, demo, new).status_code == 200


def test_a_token_endpoint_takes_its_own_tokens(ml, http):
    """An endpoint in mode aml_token takes the token made for it; without traffic it has nowhere to route."""
    endpoint = ml.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="token-ep", auth_mode="aml_token")
    ).result()
    token = ml.online_endpoints.get_keys("token-ep").access_token
    answer = call(http, endpoint, token)
    assert (answer.status_code, answer.text.startswith("No valid deployments to route to.")) == (404, True)
    assert call(http, endpoint, "x.y.z").status_code == 401
    ml.online_endpoints.begin_delete("token-ep").wait()


def test_deleting_an_endpoint_ends_its_deployments(azure, ml, http):
    """When an endpoint is deleted, its deployments and their processes are gone too."""
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="short-ep")).result()
    model = register(azure, ml, "good")
    ml.online_deployments.begin_create_or_update(deployment("short-ep", "demo", model)).result()
    port = _port(azure, "short-ep/demo")
    assert http.get(f"http://127.0.0.1:{port}/").status_code == 200
    ml.online_endpoints.begin_delete("short-ep").wait()
    with pytest.raises(ResourceNotFoundError):
        ml.online_endpoints.get("short-ep")
    with pytest.raises(httpx.ConnectError):
        http.get(f"http://127.0.0.1:{port}/")


def test_a_restarted_server_serves_again(tmp_path):
    """Endpoints, keys and traffic outlive the server; a process that dies is started again."""
    with serving(tmp_path) as azure, httpx.Client(verify=str(azure.ca_file), trust_env=False) as http:
        ml = client(azure)
        model = register(azure, ml, "good")
        endpoint = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="kept-ep")).result()
        ml.online_deployments.begin_create_or_update(deployment("kept-ep", "demo", model)).result()
        endpoint.traffic = {"demo": 100}
        endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
        key = ml.online_endpoints.get_keys("kept-ep").primary_key
        assert call(http, endpoint, key).status_code == 200
        os.killpg(_process(azure), signal.SIGKILL)
        until(lambda: call(http, endpoint, key).status_code == 200)
    with serving(tmp_path) as azure, httpx.Client(verify=str(azure.ca_file), trust_env=False) as http:
        until(lambda: call(http, endpoint, key).status_code == 200)


@given(st.floats(0, 10**6).map(lambda value: round(value, 3)))
def test_durations_are_read_back(value):
    """Whatever number of seconds a client writes as a duration is what the server understands."""
    assert seconds(f"PT{value:.3f}S") == pytest.approx(value)
    minutes, rest = divmod(value, 60)
    assert seconds(f"PT{int(minutes)}M{rest:.3f}S") == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize("text", ["", "P", "PT", "5", "PT5", "5S", "PT-5S"])
def test_what_is_no_duration_is_refused(text):
    """A malformed duration is an error, not zero."""
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


def _state(azure, http, path):
    return raw(azure, http, "GET", path).json()["properties"]["provisioningState"]


def _requests(azure, http, endpoint) -> list[float]:
    now = datetime.now(UTC)
    timespan = quote(f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}/{now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}")
    query = f"metricnames=RequestsPerMinute&timespan={timespan}&interval=PT1M&aggregation=Total&api-version=2024-02-01"
    path = f"/onlineEndpoints/{endpoint.name}/providers/Microsoft.Insights/metrics?{query}"
    (metric,) = raw(azure, http, "GET", path).json()["value"]
    return [point["total"] for point in metric["timeseries"][0]["data"]]


def _kept(azure):
    from core.local_azure.server.store import Store
    from core.local_azure.server.supervisor_deployments import PROCESS, KeptProcess

    store = Store(azure.folder / "state.db")
    try:
        return store.list(PROCESS, KeptProcess)
    finally:
        store.close()


def _port(azure, key) -> str:
    return next(kept.name for kept in _kept(azure) if kept.name.startswith(key)).rpartition(":")[2]


def _process(azure) -> int:
    return _kept(azure)[-1].mark.pid
