"""Starts bots fast: imports what they need once, then forks `finetune-bot ARGUMENTS` for each line of JSON it reads.

Run as ``python -m tests.nursery``; answers each line with the process id. What is killed is reaped by the system.
"""

import json
import os
import signal
import sys

import bot.serve  # noqa: F401
from bot.__main__ import main
from core.azure.quiet import silence

silence()  # imports azure-ai-ml
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(2, 1)
        os.close(0)
        sys.argv = ["finetune-bot", *json.loads(line)]
        main()
        sys.exit()
    print(process, flush=True)
