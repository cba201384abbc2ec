"""A real HTTP server for one test, whose answers the test decides."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Request:
    """One request as the server received it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """An answer; a dict or list is sent as JSON, text as it is, and `cut` breaks the connection after it."""

    status: int = 200
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Served:
    """A running server: where it is and what it received."""

    url: str
    requests: list[Request]


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Request], Reply]], Served]]:
    """Return a function that starts a server answering with the given function."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[Request], Reply]) -> Served:
        received: list[Request] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, json.loads(raw) if raw else None)
                received.append(request)
                self.reply(answer(request))

            do_GET = do_POST  # noqa: N815

            def reply(self, reply: Reply) -> None:
                text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                data = text.encode()
                kind = "text/plain" if isinstance(reply.body, str) else "application/json"
                self.send_response(reply.status)
                for name, value in {"Content-Type": kind, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data) + (1 if reply.cut else 0)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(data)
                self.close_connection = self.close_connection or reply.cut

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return Served(f"http://127.0.0.1:{server.server_port}", received)

    yield start
    for server in running:
        server.shutdown()
        with closing(server.socket):
            server.server_close()
