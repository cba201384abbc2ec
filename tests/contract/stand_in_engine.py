"""The commands of a stand-in for the engine.

Run as ``python -m tests.contract.stand_in_engine FOLDER`` it serves a workspace.
"""

import sys
import threading
from pathlib import Path

from core.local_azure.server.processes import Engine
from core.local_azure.server.running import running_azure

HERE = Path(__file__).parent
ENGINE = Engine(
    stage=(sys.executable, str(HERE / "fake_stage.py")), serve=(sys.executable, str(HERE / "fake_serve.py")), grace=0.5
)

if __name__ == "__main__":
    with running_azure(Path(sys.argv[1]), engine=ENGINE):
        threading.Event().wait()
