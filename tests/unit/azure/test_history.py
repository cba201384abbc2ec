"""Stages in order, why one failed, and Azure's times."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.azure.history import STAGES, choose_log, in_order, moment, parse_failure, parse_stage
from core.azure.types import StageSnapshot


@given(st.permutations(STAGES), st.integers(0, len(STAGES)))
def test_stages_are_in_the_order_in_which_they_run(names, count):
    """Whatever order Azure lists children in, and however many there are yet, five stages stand in theirs."""
    found = in_order([StageSnapshot(name, f"run-{name}", "Running") for name in names[:count]])
    assert [stage.name for stage in found] == (list(STAGES) if count else [])
    for stage in found:
        expected = ("Running", f"run-{stage.name}") if stage.name in names[:count] else ("NotStarted", "")
        assert (stage.status, stage.run) == expected


def test_repeated_stage_counts_once():
    """A stage that Azure ran again is shown as its last run; a stage nobody knows comes last."""
    day = datetime(2026, 11, 24, tzinfo=UTC)
    first = StageSnapshot(STAGES[3], "first", "Failed", day)
    second = StageSnapshot(STAGES[3], "second", "Running", day + timedelta(hours=1))
    extra = StageSnapshot("evaluation", "e", "NotStarted")
    found = in_order([second, first, extra])
    assert (found[3].run, found[-1].name) == ("second", "evaluation")


def test_stage_of_a_run():
    """A run of the history tells its node's name, status and times."""
    run = {
        "runId": "r1",
        "displayName": STAGES[3],
        "status": "Running",
        "startTimeUtc": "2026-11-24T12:00:00.1234567+00:00",
        "endTimeUtc": None,
    }
    started = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
    assert parse_stage(run) == StageSnapshot(STAGES[3], "r1", "Running", started, None)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)), st.integers(0, 7))
def test_times_of_every_precision(time, digits):
    """Azure's services write times with up to seven digits, ending in Z or +00:00; all are read alike."""
    fraction = f".{f'{time.microsecond:06d}0'[:digits]}" if digits else ""
    kept = int(f"{time.microsecond:06d}0"[:digits].ljust(6, "0")[:6]) if digits else 0
    for zone in ("Z", "+00:00"):
        text = f"{time:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"
        assert moment(text) == time.replace(microsecond=kept, tzinfo=UTC)
    assert moment(None) is None


def test_failure_gives_innermost_code_and_logs():
    """The error of a run is its innermost code, its message in one line without secrets, and its logs."""
    inner = {"code": "BadArgument", "innerError": {"code": "OutOfMemory", "innerError": None}}
    error = {"code": "UserError", "message": "CUDA out of memory\n at ?sig=abc123", "innerError": inner}
    found = parse_failure({"error": {"error": error}, "logFiles": {"user_logs/std_log.txt": "https://blob/1"}})
    assert found.code == "OutOfMemory"
    assert found.message == "CUDA out of memory at ?sig=***"
    assert found.logs == {"user_logs/std_log.txt": "https://blob/1"}
    assert parse_failure({"error": None}).message == "Azure gave no reason."


def test_log_of_the_script_comes_first():
    """The script's own log says more than the system's."""
    names = ["system_logs/lifecycler.log", "user_logs/std_log_process_01.txt", "user_logs/std_log_process_00.txt"]
    assert choose_log(names) == "user_logs/std_log_process_00.txt"
    assert choose_log(["logs/azureml/executionlogs.txt"]) == "logs/azureml/executionlogs.txt"
    assert choose_log([]) is None
