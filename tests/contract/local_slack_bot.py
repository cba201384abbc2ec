"""A small bot made with unmodified slack-bolt, and the two ways to connect it, for the tests of the local Slack."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient

from bot.local_slack.server import RunningWorkspace

MANIFEST = """
display_information: {name: Tuner}
features:
  bot_user: {display_name: tuner}
  slash_commands: [{command: /plan}, {command: /slow}, {command: /form}]
oauth_config:
  scopes:
    bot: [
      "app_mentions:read", "assistant:write", "channels:history", "channels:join", "channels:read", "chat:write",
      "commands", "files:write", "groups:history", "groups:read", "im:history", "im:read", "im:write",
      "reactions:write", "team:read", "users:read", "users:read.email",
    ]
settings:
  event_subscriptions: {bot_events: [app_mention, message.channels, message.im, app_home_opened]}
  socket_mode_enabled: true
"""

PLAN = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Plan* of 3 epochs"}},
    {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "launch",
                "value": "plan-7",
                "style": "primary",
                "text": {"type": "plain_text", "text": "Launch"},
            }
        ],
    },
]
FORM = {
    "type": "modal",
    "callback_id": "form",
    "title": {"type": "plain_text", "text": "Fine-tune"},
    "submit": {"type": "plain_text", "text": "Start"},
    "blocks": [
        {
            "type": "input",
            "block_id": "name",
            "label": {"type": "plain_text", "text": "Name"},
            "element": {"type": "plain_text_input", "action_id": "value"},
        },
        {
            "type": "input",
            "block_id": "model",
            "label": {"type": "plain_text", "text": "Model"},
            "element": {
                "type": "static_select",
                "action_id": "value",
                "options": [
                    {"text": {"type": "plain_text", "text": name}, "value": name.lower()} for name in ("Phi", "Qwen")
                ],
            },
        },
    ],
}


def manifest_file(folder: Path) -> Path:
    """Write the manifest of an app with every scope that the methods ask for."""
    path = folder / "manifest.yml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path


def web_client(slack: RunningWorkspace) -> WebClient:
    """Return the SDK's client, which tells of failures instead of repeating."""
    return WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])


class Bot:
    """The app; `seen` gets each event with its event_id and x-slack-retry-num, `go` ends what is slow."""

    def __init__(self, slack: RunningWorkspace) -> None:
        self.seen: Queue[tuple[str, str, str]] = Queue()
        self.go = threading.Event()
        self.app = App(client=web_client(slack), signing_secret=slack.signing_secret)
        self._listen(self.app)

    def _listen(self, app: App) -> None:
        @app.command("/plan")
        def plan(ack, respond):
            ack()
            respond(text="Plan", blocks=PLAN)

        @app.command("/slow")
        def slow(ack):
            self.go.wait(20)
            ack()

        @app.action("launch")
        def launch(ack, action, body, client, respond):
            ack()
            card = client.chat_postMessage(channel=body["channel"]["id"], text=f"{action['value']} is queued")
            client.chat_update(channel=card["channel"], ts=card["ts"], text=f"{action['value']} is running")
            respond(text="Launched.", replace_original=True, blocks=[])

        @app.command("/form")
        def form(ack, body, client):
            ack()
            client.views_open(trigger_id=body["trigger_id"], view=FORM)

        @app.view("form")
        def submitted(ack, view, body, client):
            values = view["state"]["values"]
            if " " in values["name"]["value"]["value"]:
                return ack(response_action="errors", errors={"name": "No spaces, please"})
            ack()
            model = values["model"]["value"]["selected_option"]["value"]
            client.chat_postMessage(channel=body["user"]["id"], text=f"{values['name']['value']['value']} with {model}")
            return None

        @app.event("app_mention")
        def mention(body, event, request, say_stream, set_status):
            self._note(body, request)
            if "later" in event["text"]:
                return
            set_status("thinking")
            stream = say_stream(buffer_size=1)
            stream.append(markdown_text="**Hel")
            stream.append(markdown_text="lo**")
            stream.stop()

        @app.event("message")
        def message(body, request):
            self._note(body, request)

        @app.middleware
        def delay(body, next):
            if "later" in body.get("event", {}).get("text", ""):
                self.go.wait(20)
            return next()

        @app.event("app_home_opened")
        def home(event, client):
            blocks = [{"type": "header", "text": {"type": "plain_text", "text": "My endpoints"}}]
            client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    def _note(self, body, request) -> None:
        retry = request.headers.get("x-slack-retry-num", ["0"])[0]
        self.seen.put((body["event"]["type"], body["event_id"], retry))


@contextmanager
def connected_by_socket_mode(bot: Bot, slack: RunningWorkspace) -> Iterator[None]:
    """Connect the bot as SocketModeHandler does."""
    handler = SocketModeHandler(bot.app, slack.app_token)
    handler.connect()
    slack.control.wait_for_connection()
    try:
        yield
    finally:
        bot.go.set()
        handler.close()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def connected_by_http(bot: Bot, slack: RunningWorkspace) -> Iterator[str]:
    """Serve the bot by HTTP and give the workspace its request URL."""
    server = make_server("127.0.0.1", 0, SlackRequestHandler(bot.app), server_class=_Server, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/slack/events"
    slack.control.deliver_to(url)
    try:
        yield url
    finally:
        bot.go.set()
        slack.control.deliver_to("")
        server.shutdown()
        thread.join()
        server.server_close()
