"""What a training has logged, under any of the names in use, and how many requests were counted."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.azure.metrics import EVAL_LOSS, LOSS, choose, parse_metrics, parse_requests


def point(step, value, time=1_700_000_000_000):
    return {"key": "loss", "value": value, "step": step, "timestamp": time}


def test_metrics_of_a_running_training():
    """A run's parameters, latest values and histories become one picture."""
    latest = [
        {"key": "loss", "value": 1.5, "step": 20, "timestamp": 1_700_000_020_000},
        {"key": "learning_rate", "value": 2e-5, "step": 20, "timestamp": 1_700_000_020_000},
        {"key": "tokens_per_second", "value": 150.0, "step": 20, "timestamp": 1_700_000_010_000},
    ]
    run = {
        "info": {"start_time": 1_700_000_000_000},
        "data": {"metrics": latest, "params": [{"key": "max_steps", "value": "60"}]},
    }
    found = parse_metrics(run, [point(10, 2.0), point(20, 1.5)], [point(20, 1.7)])
    assert (found.step, found.max_steps) == (20, 60)
    assert (found.learning_rate, found.tokens_per_second) == (2e-5, 150.0)
    assert found.losses == ((10, 2.0), (20, 1.5))
    assert found.eval_losses == ((20, 1.7),)
    assert found.started_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert found.logged_at == datetime.fromtimestamp(1_700_000_020, UTC)


def test_training_without_a_number_of_steps():
    """The trainer's own "as many as needed" is not shown as a number of steps; an empty run is empty."""
    assert parse_metrics({"data": {"params": [{"key": "max_steps", "value": "-1"}]}}, [], []).max_steps is None
    empty = parse_metrics({}, [], [])
    assert (empty.step, empty.losses, empty.logged_at) == (0, (), None)


def test_usual_names_of_losses():
    """Losses are found under the names that trainers use, the running loss before the final mean."""
    assert choose(["train_loss", "loss"], LOSS) == "loss"
    assert choose(["Train/Loss", "epoch"], LOSS) == "Train/Loss"
    assert choose(["eval/loss"], EVAL_LOSS) == "eval/loss"
    assert choose(["val_loss"], EVAL_LOSS) == "val_loss"
    assert choose(["accuracy"], LOSS) is None


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 10))))
def test_curve_is_in_order_and_has_each_step_once(points):
    """However often and in whatever order steps were logged, the curve goes forward and keeps the last value."""
    curve = parse_metrics({}, [point(step, value) for step, value in points], []).losses
    assert [step for step, _ in curve] == sorted({step for step, _ in points})
    assert dict(curve) == dict(points)


def test_requests_are_summed_and_unknown_stays_unknown():
    """Requests of all minutes and deployments are summed; an answer without data is not taken for none."""
    series = [{"data": [{"total": 2.0}, {"total": 3.0}]}, {"data": [{"total": 1.0}, {"timeStamp": "x"}]}]
    assert parse_requests({"value": [{"timeseries": series}]}) == 6
    assert parse_requests({"value": [{"timeseries": [{"data": [{"total": 0.0}]}]}]}) == 0
    assert parse_requests({"value": []}) is None
    assert parse_requests({"value": [{"timeseries": [{"data": []}]}]}) is None
