"""A stage of the pipeline that takes the place of an hour on a GPU: it logs a loss curve and writes an output.

Run as ``python stage.py SPEC``. The first question of the training file may order the fine-tune stage to "fail" or
"hang".
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


def log(**series: dict[int, float]) -> None:
    """Log metrics by step to the run, as the trainer does."""
    now = int(time.time() * 1000)
    metrics = [
        {"key": key, "value": value, "timestamp": now, "step": step}
        for key, values in series.items()
        for step, value in values.items()
    ]
    url = f"{spec.tracking_uri}/api/2.0/mlflow/runs/log-batch"
    headers = {"Authorization": f"Bearer {spec.token}", "Content-Type": "application/json"}
    body = {"run_id": spec.run, "metrics": metrics, "params": [{"key": "max_steps", "value": "20"}]}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(spec.ca_file))).read()


if spec.stage == "chat_completion_finetune":
    with Path(spec.inputs["train_file_path"]).open() as rows:
        order = json.loads(next(rows))["messages"][0]["content"]
    log(eval_loss={0: 4.0}, loss={10: 2.0})
    if order.startswith("fail"):
        print("Traceback: out of memory", flush=True)
        error = {"code": "UserError", "message": "CUDA out of memory. Lower per_device_train_batch_size."}
        (spec.folder / "error.json").write_text(json.dumps(error))
        sys.exit(1)
    if order.startswith("hang"):
        signal.pause()
    log(eval_loss={20: 1.5}, loss={20: 1.25}, learning_rate={20: 1e-6})
output = spec.folder / "output"
output.mkdir(exist_ok=True)
(output / "MLmodel").write_text("flavors:\n  hftransformersv2: {}\n")
(output / "from.txt").write_text(spec.stage)
