"""A stage of the pipeline that does nothing but what its training file tells it to: for tests of the supervisor only.

Run as ``python fake_stage.py SPEC``. The training file is a JSON object from a stage's name to "fail", "hang" (until a
signal, unless it resumes from a checkpoint) or "deaf" (until SIGKILL); other stages log a metric and succeed at once.
"""

import json
import signal
import ssl
import sys
import time
import urllib.request
from pathlib import Path

from msgspec.json import decode

from core.local_azure.work import StageSpec

spec = decode(Path(sys.argv[1]).read_bytes(), type=StageSpec, dec_hook=lambda type, value: type(value))
orders = json.loads(Path(spec.inputs["train_file_path"]).read_text())
order = orders.get(spec.stage)
print(f"{spec.stage} begins; resume_from_checkpoint={spec.inputs['resume_from_checkpoint']}", flush=True)

body = {
    "run_id": spec.run,
    "metrics": [{"key": "loss", "value": 0.5, "timestamp": int(time.time() * 1000), "step": 10}],
}
request = urllib.request.Request(
    f"{spec.tracking_uri}/api/2.0/mlflow/runs/log-batch",
    json.dumps(body).encode(),
    {"Authorization": f"Bearer {spec.token}", "Content-Type": "application/json"},
)
urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(spec.ca_file))).read()

if order == "fail":
    print("Traceback: out of memory", flush=True)
    error = {"code": "UserError", "message": "CUDA out of memory. Lower per_device_train_batch_size."}
    (spec.folder / "error.json").write_text(json.dumps(error))
    sys.exit(1)
if order == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if order in ("hang", "deaf") and spec.inputs["resume_from_checkpoint"] == "false":
    print(f"{spec.stage} hangs", flush=True)
    while True:
        signal.pause()
output = spec.folder / "output"
output.mkdir(exist_ok=True)
(output / "MLmodel").write_text("flavors:\n  hftransformersv2: {}\n")
(output / "from.txt").write_text(spec.stage)
