"""A deployment that repeats the last message, in the engine's protocol: for tests of the way to it only.

Run as ``python echo_serve.py SPEC``. In a deployment named dies, it does not come up.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

spec = json.loads(Path(sys.argv[1]).read_text())
print(f"serving {spec['model']}", flush=True)
if "dies" in spec["folder"]:
    sys.exit("out of memory")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.reply(200, "application/json", b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            said = body["input_data"]["input_string"][-1]["content"]
            return self.reply(200, "application/json", json.dumps({"output": said}).encode())
        said = body["messages"][-1]["content"]
        if said == "break":
            return self.reply(500, "text/plain", b"the model broke")
        if not body["stream"]:
            answer = {"choices": [{"message": {"content": said}}], "usage": {"completion_tokens": len(said)}}
            return self.reply(200, "application/json", json.dumps(answer).encode())
        pieces = [f"data: {json.dumps({'choices': [{'delta': {'content': letter}}]})}\n\n" for letter in said]
        return self.reply(200, "text/event-stream", "".join([*pieces, "data: [DONE]\n\n"]).encode())

    def reply(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


ThreadingHTTPServer(("127.0.0.1", spec["port"]), Handler).serve_forever()
