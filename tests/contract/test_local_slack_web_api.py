"""The unmodified slack_sdk WebClient against the local Slack: what it can do, and what Slack refuses."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.models.messages.chunk import MarkdownTextChunk, PlanUpdateChunk, TaskUpdateChunk
from websockets.sync.client import connect

from bot.local_slack.limits import RateLimits
from bot.local_slack.person import Person, SlackRefused
from bot.local_slack.server import RunningWorkspace, running_workspace
from bot.manifest import manifest_path
from core.errors import ConfigurationError
from tests.contract.local_slack_bot import manifest_file, web_client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorkspace]:
    """A workspace whose app has every scope, without rate limits."""
    folder = tmp_path_factory.mktemp("slack")
    with running_workspace(folder, manifest=manifest_file(folder), limits=None, ack_seconds=0.2) as running:
        yield running


@pytest.fixture
def slack(server: RunningWorkspace) -> RunningWorkspace:
    """The workspace, empty."""
    server.control.reset()
    return server


@pytest.fixture
def client(slack: RunningWorkspace) -> WebClient:
    """The SDK's client with the bot's token."""
    return web_client(slack)


@pytest.fixture
def ada(slack: RunningWorkspace) -> Iterator[Person]:
    """A member of the team."""
    person = slack.person("ada")
    yield person
    person.close()


def code(call: Callable[[], Any]) -> str:
    """Return the error with which Slack refuses a call."""
    with pytest.raises(SlackApiError) as refused:
        call()
    return str(refused.value.response["error"])


def ids(client: WebClient) -> dict[str, str]:
    """Return the ids of the channels by name."""
    return {channel["name"]: channel["id"] for channel in client.conversations_list()["channels"]}


def test_who_is_who(client: WebClient, slack: RunningWorkspace) -> None:
    """The app finds itself, the team, its members and its channels."""
    me = client.auth_test()
    assert me["user_id"] == slack.bot_user_id
    assert client.bots_info(bot=me["bot_id"])["bot"]["user_id"] == slack.bot_user_id
    assert client.team_info()["team"]["id"] == me["team_id"]
    ada = client.users_lookupByEmail(email="ada@example.com")["user"]
    assert client.users_info(user=ada["id"])["user"]["profile"]["real_name"] == "Ada Lovelace"
    assert me["user_id"] in [user["id"] for user in client.users_list()["members"] if user["is_bot"]]
    general = ids(client)["general"]
    assert client.conversations_info(channel=general)["channel"]["is_member"]
    first = client.conversations_members(channel=general, limit=1)
    rest = client.conversations_members(channel=general, cursor=first["response_metadata"]["next_cursor"])
    assert len(first["members"]) == 1
    assert me["user_id"] in [*first["members"], *rest["members"]]


def test_threads_metadata_and_history(client: WebClient, ada: Person) -> None:
    """A thread is read back oldest first, a channel newest first; metadata only when it is asked for."""
    general = ids(client)["general"]
    metadata = {"event_type": "job", "event_payload": {"id": "j1"}}
    root = client.chat_postMessage(channel="#general", text="job", metadata=metadata)
    replies = [client.chat_postMessage(channel=general, thread_ts=root["ts"], text=str(n))["ts"] for n in range(3)]
    client.chat_postMessage(channel=general, text="newest")
    thread = client.conversations_replies(channel=general, ts=root["ts"], include_all_metadata=True)["messages"]
    assert [message["ts"] for message in thread] == [root["ts"], *replies]
    assert thread[0]["metadata"] == metadata
    assert thread[0]["reply_count"] == 3
    page = client.conversations_history(channel=general, limit=1)
    assert [message["text"] for message in page["messages"]] == ["newest"]
    older = client.conversations_history(channel=general, cursor=page["response_metadata"]["next_cursor"])["messages"]
    assert [message["text"] for message in older] == ["job"]
    assert "metadata" not in older[0]
    assert [m.text for m in ada.thread(ada.sees("job"))] == ["job", "0", "1", "2"]
    assert float(root["ts"]) < float(replies[0]) < float(replies[1]) < float(replies[2])


def test_update_delete_react_and_link(client: WebClient, ada: Person) -> None:
    """An update keeps the message's place and marks it edited; a deleted message is gone."""
    posted = client.chat_postMessage(channel="general", text="queued")
    where = {"channel": posted["channel"], "ts": posted["ts"]}
    client.chat_update(**where, text="running")
    client.reactions_add(channel=posted["channel"], timestamp=posted["ts"], name="eyes")
    seen = ada.sees("running")
    assert (seen.ts, seen.edited, seen.json["reactions"][0]["name"]) == (posted["ts"], True, "eyes")
    link = client.chat_getPermalink(channel=posted["channel"], message_ts=posted["ts"])["permalink"]
    assert link.endswith("/p" + posted["ts"].replace(".", ""))
    client.chat_delete(**where)
    assert ada.channel() == []
    assert code(lambda: client.chat_update(**where, text="late")) == "message_not_found"


def test_ephemeral_is_for_one_person(client: WebClient, ada: Person, slack: RunningWorkspace) -> None:
    """An ephemeral message is seen by its person only, is not history, and cannot be updated by its ts."""
    general = ids(client)["general"]
    sent = client.chat_postEphemeral(channel=general, user=ada.id, text="only you")
    assert ada.sees("only you").ephemeral
    grace = slack.person("grace")
    assert grace.channel() == []
    grace.close()
    assert client.conversations_history(channel=general)["messages"] == []
    update = code(lambda: client.chat_update(channel=general, ts=sent["message_ts"], text="new"))
    assert update == "message_not_found"
    with pytest.raises(SlackRefused, match="cannot_reply_to_message"):
        ada.says("thanks", thread=ada.sees("only you"))


def test_stream_and_its_end(client: WebClient, ada: Person, slack: RunningWorkspace) -> None:
    """Tasks and text are streamed into one message; a stream left alone for five minutes is over."""
    question = ada.says("question")
    team = client.auth_test()["team_id"]
    to = {"recipient_user_id": ada.id, "recipient_team_id": team}
    stream = client.chat_stream(
        channel=question.channel, thread_ts=question.ts, buffer_size=1, task_display_mode="plan", **to
    )
    task = TaskUpdateChunk(id="1", title="Ask the endpoint", status="in_progress")
    stream.append(chunks=[PlanUpdateChunk(title="Steps"), task])
    stream.append(markdown_text="**All** ")
    assert ada.sees("All").streaming
    stream.append(chunks=[TaskUpdateChunk(id="1", title="Ask the endpoint", status="complete")])
    stream.stop(chunks=[MarkdownTextChunk(text="well")])
    assert ada.sees("well").words() == "All well\nSteps\n✓ Ask the endpoint"

    late = client.chat_startStream(channel=question.channel, thread_ts=question.ts, markdown_text="slow", **to)
    slack.control.advance(timedelta(minutes=6))
    where = {"channel": late["channel"], "ts": late["ts"]}
    assert code(lambda: client.chat_appendStream(**where, markdown_text="er")) == "message_not_in_streaming_state"
    assert code(lambda: client.chat_stopStream(**where)) == "message_not_in_streaming_state"
    client.chat_update(**where, text="slower")
    assert ada.sees("slower").edited
    to_channel = code(lambda: client.chat_startStream(channel=question.channel, thread_ts=question.ts))
    assert to_channel == "missing_recipient_team_id"


def test_status_goes_away_with_the_answer(client: WebClient, ada: Person, slack: RunningWorkspace) -> None:
    """What the app says about a thread disappears when it answers there."""
    question = ada.says("question")
    client.assistant_threads_setStatus(channel_id=question.channel, thread_ts=question.ts, status="is thinking")
    client.agents_sessions_setStatus(channel_id=question.channel, thread_ts=question.ts, status="processing")
    headers = {"Authorization": f"Bearer {slack.control_token}"}

    def status() -> str:
        told = httpx.get(f"{slack.control_url}/workspace", headers=headers).json()
        return str(told["statuses"][0]["text"])

    assert status() == "is thinking"
    client.chat_postMessage(channel=question.channel, thread_ts=question.ts, text="answer")
    assert status() == ""


def test_file_upload(client: WebClient, ada: Person, slack: RunningWorkspace) -> None:
    """A file is uploaded in three steps by the SDK, shared in a thread, and can be read back."""
    root = client.chat_postMessage(channel="general", text="metrics")
    file = client.files_upload_v2(
        channel=root["channel"], thread_ts=root["ts"], content="loss,1.0\n", filename="metrics.csv", title="Metrics"
    )["file"]
    assert ada.sees("Metrics").thread_ts == root["ts"]
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    assert httpx.get(file["url_private"], headers=headers).text == "loss,1.0\n"
    assert httpx.get(file["url_private"]).status_code == 403
    asked = client.files_getUploadURLExternal(filename="empty.txt", length=3)
    never_sent = code(lambda: client.files_completeUploadExternal(files=[{"id": asked["file_id"], "title": "x"}]))
    assert never_sent == "file_not_found"


@pytest.mark.parametrize(
    ("expected", "method", "arguments"),
    [
        ("channel_not_found", "chat.postMessage", {"channel": "C404", "text": "x"}),
        ("not_in_channel", "chat.postMessage", {"channel": "random", "text": "x"}),
        ("no_text", "chat.postMessage", {"channel": "general"}),
        ("msg_too_long", "chat.postMessage", {"channel": "general", "text": "x" * 40_001}),
        ("thread_not_found", "chat.postMessage", {"channel": "general", "text": "x", "thread_ts": "1.000001"}),
        ("invalid_blocks", "chat.postMessage", {"channel": "general", "blocks": [{"type": "bogus"}]}),
        ("invalid_blocks_format", "chat.postMessage", {"channel": "general", "blocks": "{not json"}),
        (
            "msg_blocks_too_long",
            "chat.postMessage",
            {"channel": "general", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5},
        ),
        ("markdown_text_conflict", "chat.postMessage", {"channel": "general", "text": "x", "markdown_text": "y"}),
        ("invalid_metadata_format", "chat.postMessage", {"channel": "general", "text": "x", "metadata": {"a": 1}}),
        ("user_not_in_channel", "chat.postEphemeral", {"channel": "general", "user": "U404", "text": "x"}),
        ("message_not_found", "chat.update", {"channel": "{general}", "ts": "1.000001", "text": "x"}),
        ("cant_update_message", "chat.update", {"channel": "{general}", "ts": "{said}", "text": "x"}),
        ("msg_too_long", "chat.update", {"channel": "{general}", "ts": "{posted}", "text": "&" * 801}),
        ("cant_delete_message", "chat.delete", {"channel": "{general}", "ts": "{said}"}),
        ("thread_not_found", "conversations.replies", {"channel": "{general}", "ts": "1.000001"}),
        ("not_in_channel", "conversations.history", {"channel": "{random}"}),
        ("user_not_found", "users.info", {"user": "U404"}),
        ("users_not_found", "users.lookupByEmail", {"email": "nobody@example.com"}),
        ("invalid_trigger_id", "views.open", {"trigger_id": "1.x", "view": "{modal}"}),
        ("invalid_arguments", "views.publish", {"user_id": "U0ADA", "view": {"type": "home"}}),
        ("not_allowed_token_type", "apps.connections.open", {}),
        ("unknown_method", "chat.whisper", {}),
    ],
)
def test_refusals(expected: str, method: str, arguments: dict[str, Any], client: WebClient, ada: Person) -> None:
    """Each mistake is answered with Slack's own code."""
    modal = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    named = {f"{{{name}}}": identifier for name, identifier in ids(client).items()}
    posted = client.chat_postMessage(channel="general", text="posted")["ts"]
    named |= {"{said}": ada.says("said").ts, "{posted}": posted, "{modal}": json.dumps(modal)}
    given = {name: named.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}
    assert code(lambda: client.api_call(method, json=given)) == expected


def test_tokens(slack: RunningWorkspace) -> None:
    """Without a token, or with a foreign one, nothing is answered."""
    assert httpx.post(f"{slack.url}auth.test").json() == {"ok": False, "error": "not_authed"}
    foreign = WebClient(token="xoxb-foreign", base_url=slack.url)
    assert code(foreign.auth_test) == "invalid_auth"


def test_arguments_in_every_form(slack: RunningWorkspace, ada: Person) -> None:
    """Arguments may be a query, a form with JSON in it, JSON, or an empty JSON body."""
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    url = f"{slack.url}chat.postMessage"
    blocks = json.dumps([{"type": "section", "text": {"type": "mrkdwn", "text": "in a form"}}])
    httpx.post(url, headers=headers, data={"channel": "general", "blocks": blocks})
    httpx.get(url, headers=headers, params={"channel": "general", "text": "in a query"})
    httpx.post(url, json={"token": slack.bot_token, "channel": "general", "text": "in JSON"}, headers=headers)
    assert [message.words() for message in ada.channel()] == ["in a form", "in a query", "in JSON"]
    empty = httpx.post(f"{slack.url}auth.test", headers={**headers, "Content-Type": "application/json"})
    assert empty.json()["ok"]
    assert slack.bot_token not in str(slack.control.calls())


def test_missing_scope(tmp_path: Path) -> None:
    """The app may do what its manifest asks for, and nothing else."""
    with running_workspace(tmp_path, manifest=manifest_path()) as slack, pytest.raises(SlackApiError) as refused:
        web_client(slack).conversations_list()
    assert refused.value.response["error"] == "missing_scope"
    assert refused.value.response["needed"] == "channels:read"


def test_rate_limits(tmp_path: Path) -> None:
    """Too many calls are answered with 429 and how long to wait; a short burst of messages is not too many."""
    with running_workspace(tmp_path, manifest=manifest_file(tmp_path), limits=RateLimits(burst=3)) as slack:
        client = web_client(slack)
        posts = [client.chat_postMessage(channel="general", text=str(n)) for n in range(3)]
        with pytest.raises(SlackApiError) as refused:
            client.chat_postMessage(channel="general", text="too fast")
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "1"
        slack.control.advance(timedelta(seconds=1))
        client.chat_postMessage(channel="general", text="in time")
        where = {"channel": posts[0]["channel"], "ts": posts[0]["ts"]}
        for n in range(50):
            client.chat_update(**where, text=str(n))
        with pytest.raises(SlackApiError) as refused:
            client.chat_update(**where, text="50")
        assert 50 <= int(refused.value.response.headers["Retry-After"]) <= 60
        slack.control.advance(timedelta(minutes=1))
        client.chat_update(**where, text="51")
        slack.control.add_fault("ratelimited", "chat.update")
        patient = WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[RateLimitErrorRetryHandler()])
        assert patient.chat_update(**where, text="52")["ok"]


def test_restart_keeps_everything(tmp_path: Path) -> None:
    """After a restart tokens, address, channels, messages and open streams are as before."""
    manifest = manifest_file(tmp_path)
    with running_workspace(tmp_path, manifest=manifest) as slack:
        before = (slack.url, slack.bot_token, slack.app_token, slack.signing_secret)
        slack.control.add_channel("experiments")
        client = web_client(slack)
        posted = client.chat_postMessage(channel="experiments", text="kept")
        to = {"recipient_user_id": "U0ADA", "recipient_team_id": client.auth_test()["team_id"]}
        stream = client.chat_startStream(
            channel=posted["channel"], thread_ts=posted["ts"], markdown_text="first ", **to
        )
    with running_workspace(tmp_path, manifest=manifest) as slack:
        assert (slack.url, slack.bot_token, slack.app_token, slack.signing_secret) == before
        client = web_client(slack)
        client.chat_stopStream(channel=stream["channel"], ts=stream["ts"], markdown_text="second")
        kept = client.conversations_replies(channel=posted["channel"], ts=posted["ts"])["messages"]
        assert [message["text"] for message in kept] == ["kept", "first second"]
        assert float(client.chat_postMessage(channel="experiments", text="new")["ts"]) > float(stream["ts"])


def test_folder_has_one_server(tmp_path: Path) -> None:
    """A second server on the same folder says so instead of mixing two workspaces up."""
    manifest = manifest_file(tmp_path)
    with (
        running_workspace(tmp_path, manifest=manifest),
        pytest.raises(ConfigurationError, match="in use by another finetune-bot"),
        running_workspace(tmp_path, manifest=manifest),
    ):
        pytest.fail("it started")


def test_port_in_use(tmp_path: Path) -> None:
    """A port that another program has is refused by name, and the folder can be served on another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, manifest = taken.getsockname()[1], manifest_file(tmp_path)
        with (
            pytest.raises(ConfigurationError, match=f"Port {port} of 127.0.0.1 is in use"),
            running_workspace(tmp_path, manifest=manifest, port=port),
        ):
            pytest.fail("it started")
    with running_workspace(tmp_path, manifest=manifest) as slack:
        assert web_client(slack).api_test()["ok"]


def test_stops_while_a_call_is_held(tmp_path: Path) -> None:
    """The server stops at once, also with a held call and a person who waits for news."""
    answers: list[Any] = []
    with running_workspace(tmp_path, manifest=manifest_file(tmp_path)) as slack:
        slack.control.add_fault("hold", "chat.postMessage")
        calling = _call(web_client(slack), answers)
        slack.control.wait_for_held()
    calling.join(5)
    assert isinstance(answers[0], OSError)


def _call(client: WebClient, answers: list[Any]) -> threading.Thread:
    def post() -> None:
        try:
            answers.append(client.chat_postMessage(channel="general", text="held"))
        except (SlackApiError, OSError) as error:
            answers.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    return thread


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("released", [True, False])
def test_held_calls(moment: str, released: bool, client: WebClient, ada: Person, slack: RunningWorkspace) -> None:
    """A call is held before or after its effect; released it is answered, dropped its connection is cut."""
    slack.control.add_fault("hold", "chat.postMessage", moment=moment)
    answers: list[Any] = []
    thread = _call(client, answers)
    held = slack.control.wait_for_held()
    assert held.call.arguments == {"channel": "general", "text": "held"}
    assert [m.text for m in ada.channel()] == (["held"] if moment == "after" else [])
    (slack.control.release if released else slack.control.drop)(held)
    thread.join(10)
    assert isinstance(answers[0], OSError) is not released
    happened = released or moment == "after"
    assert [m.text for m in ada.channel()] == (["held"] if happened else [])
    with pytest.raises(httpx.HTTPStatusError):
        slack.control.release(held)


def test_faults_strike_as_often_as_asked(client: WebClient, slack: RunningWorkspace) -> None:
    """A fault answers with an HTTP status or an error code, so many times and no more."""
    slack.control.add_fault("status", r"chat\..*", status=503)
    slack.control.add_fault("error", "chat.postMessage", error="fatal_error", times=2)
    codes = [code(lambda: client.chat_postMessage(channel="general", text="x")) for _ in range(3)]
    assert codes == ["internal_error", "fatal_error", "fatal_error"]
    assert client.chat_postMessage(channel="general", text="x")["ok"]
    assert [call.status for call in slack.control.calls("chat.postMessage")] == [503, 200, 200, 200]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Host": "evil.example"}, "forbidden_origin"),
        ({"Origin": "https://evil.example"}, "forbidden_origin"),
        ({"Authorization": "Bearer guess"}, "invalid_control_token"),
    ],
)
def test_control_plane_is_closed(headers: dict[str, str], error: str, slack: RunningWorkspace) -> None:
    """The control plane answers neither foreign pages nor those without its token."""
    sent = {"Authorization": f"Bearer {slack.control_token}", **headers}
    answer = httpx.get(f"{slack.control_url}/workspace", headers=sent)
    assert answer.is_client_error
    assert answer.json()["error"] == error


def test_app_joins_a_channel(client: WebClient, ada: Person) -> None:
    """The app may join a public channel, and open a direct message with a person."""
    client.conversations_join(channel=ids(client)["random"])
    client.chat_postMessage(channel="random", text="hello")
    assert [m.text for m in ada.in_channel("random").channel()] == ["hello"]
    direct = client.conversations_open(users=[ada.id])["channel"]["id"]
    client.chat_postMessage(channel=direct, text="psst")
    assert [m.text for m in ada.directly().channel()] == ["psst"]
    with pytest.raises(SlackRefused, match="channel_not_found"):
        ada.in_channel("nowhere").says("hello")


def test_nobody_answers(ada: Person) -> None:
    """A command that reaches no app says so to the person who ran it."""
    ada.runs("/plan")
    assert ada.sees('/plan failed with the error "dispatch_failed"').ephemeral


def test_socket_mode_connections(client: WebClient, ada: Person, slack: RunningWorkspace) -> None:
    """A ticket opens one connection, ten may be open, and envelopes go to them in turn, the app's own words too."""

    def link() -> str:
        return str(client.apps_connections_open(app_token=slack.app_token)["url"])

    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(link())) for _ in range(10)]
        assert [json.loads(socket.recv(5))["num_connections"] for socket in sockets] == list(range(1, 11))
        with connect(link()) as eleventh:
            assert json.loads(eleventh.recv(5))["reason"] == "too_many_websockets"
        said = ada.says("one")
        client.chat_postMessage(channel="general", text="two")
        client.chat_delete(channel=said.channel, ts=client.chat_postMessage(channel="general", text="three")["ts"])
        heard = [json.loads(socket.recv(5)) for socket in sockets[:4]]
        for socket, envelope in zip(sockets, heard, strict=False):
            socket.send(json.dumps({"envelope_id": envelope["envelope_id"]}))
        events = [envelope["payload"]["event"] for envelope in heard]
        assert [event.get("text") for event in events] == ["one", "two", "three", None]
        assert [event.get("bot_id") is not None for event in events] == [False, True, True, False]
        assert events[3]["subtype"] == "message_deleted"
        assert len(slack.control.deliveries("acknowledged", at_least=4)) == 4
    slack.control.wait_for_disconnection()
