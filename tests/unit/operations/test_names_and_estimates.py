"""Names that Azure takes, lineage that fits its limits, steps and estimates."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.azure.types import Price
from core.operations.deploy_model import endpoint_name
from core.operations.estimates import estimate, training_steps
from core.operations.parameters import Parameter, Resolved
from core.operations.plans import new_token
from core.operations.prepare_dataset import dataset_name
from core.operations.register_model import model_name, registration
from core.operations.stored import to_stored
from tests.unit.operations.records import HOUR, NOW, a_finetune_plan, a_job

PRICE = Price(4.0, "USD", "list", NOW.date())


@given(st.text(max_size=80))
def test_endpoint_names(model):
    """Whatever the model is called, its endpoint has a name that Azure takes, different each time."""
    name = endpoint_name(model, new_token())
    assert 3 <= len(name) <= 32
    assert re.fullmatch(r"[a-z](-?[a-z0-9])+", name)
    assert name != endpoint_name(model, new_token())


@given(st.text(max_size=200), st.text(max_size=200))
def test_model_names(model, dataset):
    """Whatever model and dataset are called, the registered name has only Azure's letters."""
    assert re.fullmatch(r"[A-Za-z0-9._-]{0,128}", model_name(model, dataset))


def test_registration_is_the_same_every_time():
    """A registration that is repeated after a crash finds its own earlier one, and says what the model is made from."""
    first, second = registration(a_job()), registration(a_job())
    assert first == second
    assert first.name == "Phi-4-ultrachat_200k"
    assert first.version.isdigit()
    assert first.tags["dataset_sha256"] == "ab" * 32
    assert first.tags["num_train_epochs"] == "2"
    assert "optim" not in first.tags


def test_lineage_fits_azures_limits():
    """However many and long the parameters are, there are at most 50 tags of 256 characters."""
    many = tuple(Parameter(f"p{n}", "x" * 999, "user") for n in range(99))
    tags = registration(a_job(spec=to_stored(a_finetune_plan(parameters=many)))).tags
    assert len(tags) == 50
    assert max(map(len, tags.values())) == 256
    assert tags["job"] == "ft-aaaaaaaa"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("HuggingFaceH4/ultrachat_200k", "ultrachat_200k"),
        ("/data/support.jsonl", "support"),
        ("/data/support.jsonl.gz", "support"),
        ("/data/folder/", "folder"),
        ("org/model-v1.5", "model-v1.5"),
    ],
)
def test_dataset_names(source, name):
    """A dataset is called by its last word."""
    assert dataset_name(source) == name


def resolved(**values: str) -> Resolved:
    return Resolved(tuple(Parameter(name, value, "user") for name, value in values.items()), (), ())


@pytest.mark.parametrize(
    ("values", "gpus", "nodes", "steps"),
    [
        ({}, 1, 1, 100),
        ({"num_train_epochs": "3"}, 1, 1, 300),
        ({"per_device_train_batch_size": "2", "gradient_accumulation_steps": "4"}, 2, 2, 4),
        ({"max_steps": "7", "num_train_epochs": "3"}, 1, 1, 7),
        ({}, 0, 1, 100),
    ],
)
def test_steps(values, gpus, nodes, steps):
    """The steps of a run are those of its batches, or the maximum that was set."""
    assert training_steps(resolved(**values), 100, gpus, nodes) == steps


def test_estimate_from_earlier_jobs():
    """Time and price come from what earlier jobs took; without one they are unknown, and that is said."""
    done = a_job(state="Completed", step=100, started_at=NOW - HOUR, finished_at=NOW)
    size = "Standard_NC24ads_A100_v4"
    found = estimate([done], "Phi-4", size, steps=50, nodes=2, price=PRICE)
    assert found.seconds == pytest.approx(1800)
    assert found.price == pytest.approx(4.0)
    assert "1 earlier job" in found.basis
    for jobs, model in (([], "Phi-4"), ([done], "Phi-3"), ([a_job()], "Phi-4")):
        unknown = estimate(jobs, model, size, steps=50, nodes=1, price=PRICE)
        assert (unknown.seconds, unknown.price) == (None, None)
        assert unknown.basis.startswith("unknown")
