"""A serving process that answers what it was asked: for tests of the wire only. Run as ``python fake_serve.py SPEC``.

The model's folder may hold a file ``order``: "crash" (die at once), "fail" (answer 500), "slow" (never answer).
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from msgspec.json import decode

from core.local_azure.work import ServeSpec

spec = decode(Path(sys.argv[1]).read_bytes(), type=ServeSpec, dec_hook=lambda type, value: type(value))
order_file = Path(spec.model) / "order"
order = order_file.read_text() if order_file.exists() else ""
print(f"serving {spec.model}", flush=True)
if order == "crash":
    print("ValueError: the weights are broken", flush=True)
    sys.exit(3)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, b"{}")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if order == "slow":
            threading.Event().wait(30)
        if self.path == "/v1/chat/completions":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"data: one\n\n", b"data: [DONE]\n\n"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
                if part == b"data: one\n\n":
                    # Held back until the caller says, by another request, that it has got the first part.
                    got.wait(20)
            self.wfile.write(b"0\r\n\r\n")
        elif body.get("got"):
            got.set()
            self.answer(200, b"{}")
        elif order == "fail":
            self.answer(500, b'{"error": "boom"}')
        else:
            self.answer(200, json.dumps({"output": f"{Path(spec.model).name}: {body}"}).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        print(self.path, flush=True)


got = threading.Event()
ThreadingHTTPServer(("127.0.0.1", spec.port), Handler).serve_forever()
