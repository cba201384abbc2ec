"""How fast commands are acknowledged when 50 come at once, against a Bolt app that does nothing else.

Run by hand: ``python -m tests.benchmarks.acknowledgement [ROUNDS]``. Both apps are brought the same commands by the
local Slack over Socket Mode; printed are milliseconds from the command to its acknowledgement, and the ratio of the
medians.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.local_slack.server import RunningWorkspace, running_workspace
from bot.manifest import manifest_path
from tests.scenario.team import team

AT_ONCE = 50
COMMAND = "/ft-help"


def main() -> None:
    """Measure both apps in turn and print the comparison."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ours: list[float] = []
    theirs: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        empty_app(Path(folder) / "empty") as empty,
        team(Path(folder) / "team", limits=None) as room,
    ):
        for slack, seconds in [(room.slack, ours), (empty, theirs)] * (rounds + 1):
            seconds += acknowledgements(slack)
    print(f"{AT_ONCE} commands at once, {rounds} rounds")
    print(f"{'':12}{'median ms':>12}{'95 % ms':>12}")
    for name, seconds in (("finetune-bot", ours), ("empty app", theirs)):
        seconds = seconds[AT_ONCE:]  # the first round warms up
        print(
            f"{name:12}{1000 * statistics.median(seconds):12.0f}{1000 * statistics.quantiles(seconds, n=20)[-1]:12.0f}"
        )
    print(f"ratio of the medians {statistics.median(ours[AT_ONCE:]) / statistics.median(theirs[AT_ONCE:]):.2f}")


def acknowledgements(slack: RunningWorkspace) -> list[float]:
    """Return the seconds until each of the commands, typed at once, was acknowledged."""
    people = [slack.person("ada") for _ in range(AT_ONCE)]

    def type_one(number: int) -> float:
        began = time.perf_counter()
        people[number].runs(COMMAND)
        return time.perf_counter() - began

    with ThreadPoolExecutor(AT_ONCE) as typing:
        seconds = list(typing.map(type_one, range(AT_ONCE)))
    for person in people:
        person.close()
    return seconds


@contextmanager
def empty_app(folder: Path) -> Iterator[RunningWorkspace]:
    """Run a Bolt app that acknowledges and does nothing else, in a workspace of its own."""
    with running_workspace(folder, manifest=manifest_path(), limits=None) as slack:
        app = App(client=WebClient(slack.bot_token, slack.url))

        @app.command(COMMAND)
        def acknowledge(ack: Callable[[], None]) -> None:
            ack()

        handler = SocketModeHandler(app, slack.app_token)
        handler.connect()
        slack.control.wait_for_connection()
        try:
            yield slack
        finally:
            handler.close()


if __name__ == "__main__":
    main()
