"""The user's parameters over the model's over the component's: one list, or a sentence that says what is wrong."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.azure.registry import parse_inputs
from core.azure.types import Component, FoundationModel
from core.errors import InputError
from core.operations.parameters import is_settable, resolve_parameters

SPECIFICATION = next((Path(__file__).parents[3] / "core" / "local_azure").rglob("chat_completion_pipeline*.yaml"))
PHI = FoundationModel(
    name="Phi-3-mini-4k-instruct",
    version="15",
    id="azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/15",
    context_length=4096,
    defaults={
        "apply_lora": "true",
        "deepspeed_stage": "2",
        "apply_deepspeed": "true",
        "learning_rate": "5e-06",
        "learning_rate_min": "5e-07",
        "learning_rate_max": "5e-05",
        "num_train_epochs": "1",
        "precision": "16",
        "task_name": "ChatCompletion",
    },
)


def component() -> Component:
    """The published pipeline component, from its own specification."""
    found = yaml.safe_load(SPECIFICATION.read_text())
    blank = {"default": None, "enum": None, "min": None, "max": None, "optional": None}
    inputs = parse_inputs({name: SimpleNamespace(**{**blank, **one}) for name, one in found["inputs"].items()})
    return Component(
        found["name"], str(found["version"]), "azureml://registries/azureml/components/c/versions/1", inputs
    )


COMPONENT = component()
SETTABLE = sorted(name for name, one in COMPONENT.inputs.items() if is_settable(one))


def test_sources():
    """The user's value stands over the model's, the model's over the component's, and each says where it is from."""
    resolved = resolve_parameters(COMPONENT, PHI, {"num_train_epochs": "3"})
    found = {one.name: (one.value, one.source) for one in resolved.values}
    assert found["num_train_epochs"] == ("3", "user")
    assert found["apply_lora"] == ("true", "model")
    assert found["optim"] == ("adamw_torch", "component")


def test_dropped_defaults():
    """What the model suggests and the component does not take is dropped, and that is said."""
    dropped = {one.name: one.why for one in resolve_parameters(COMPONENT, PHI, {}).dropped}
    assert set(dropped) == {"learning_rate_min", "learning_rate_max", "task_name"}
    assert "no such input" in dropped["learning_rate_min"]
    assert dropped["task_name"] == "the bot sets it"


def test_wrong_default_of_the_model():
    """A default that the component no longer takes falls back to the component's own."""
    old = FoundationModel("m", "1", "id", defaults={"optim": "adamw_hf"})
    resolved = resolve_parameters(COMPONENT, old, {})
    assert resolved.value("optim") == "adamw_torch"
    assert "adamw_hf" in resolved.dropped[0].why


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lr", "learning_rate"),
        ("epochs", "num_train_epochs"),
        ("learning_rat", "learning_rate"),
        ("lora_rank", "lora_r"),
        ("apply-lorra", "apply_lora"),
    ],
)
def test_unknown_parameter(typed, meant):
    """A misspelt parameter is answered with the name that was meant."""
    with pytest.raises(InputError, match=f"no parameter `{typed}`") as caught:
        resolve_parameters(COMPONENT, PHI, {typed: "1"})
    assert caught.value.next == f"Did you mean `{meant}`?"
    assert caught.value.field == typed


@pytest.mark.parametrize(
    "name", ["train_file_path", "mlflow_model_path", "compute_finetune", "number_of_gpu_to_use_finetuning", "task_name"]
)
def test_inputs_the_bot_sets(name):
    """Files, model, compute and GPU counts come from the plan, never from a parameter."""
    with pytest.raises(InputError, match="not a parameter to set"):
        resolve_parameters(COMPONENT, PHI, {name: "x"})


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("num_train_epochs", "0", "at least 1"),
        ("num_train_epochs", "2.5", "a whole number"),
        ("learning_rate", "-1", "above 0"),
        ("learning_rate", "nan", "a number"),
        ("learning_rate", "1e999", "a number"),
        ("learning_rate", "1_0", "a number"),
        ("optim", "adamw_hf", "one of adamw_torch, adafactor"),
        ("apply_lora", "yes", "one of true, false"),
        ("lora_dropout", "1", "below 1"),
        ("max_steps", "0", "or -1 for no limit"),
        ("gradient_accumulation_steps", "0", "at least 1"),
        ("shm_size_finetune", "", "a text"),
    ],
)
def test_wrong_value(name, value, takes):
    """A wrong value is refused before anything is paid for, with what the parameter takes."""
    with pytest.raises(InputError, match=f"`{name}` cannot be") as caught:
        resolve_parameters(COMPONENT, PHI, {name: value})
    assert takes in caught.value.why
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ({"apply_early_stopping": "true", "evaluation_strategy": "disable"}, "Early stopping needs evaluations"),
        ({"auto_find_batch_size": "true"}, "DeepSpeed and `auto_find_batch_size` exclude each other"),
        ({"apply_ort": "true", "deepspeed_stage": "3"}, "stage 3 and ONNX Runtime exclude each other"),
    ],
)
def test_forbidden_pairs(user, sentence):
    """Two values that the component refuses together on the node are refused here."""
    with pytest.raises(InputError, match=sentence) as caught:
        resolve_parameters(COMPONENT, PHI, user)
    assert caught.value.next.startswith("Set `")


@pytest.mark.parametrize(
    ("user", "warning"),
    [
        ({"learning_rate": "0.01"}, "outside of what Phi-3-mini-4k-instruct is meant for (5e-07 to 5e-05)"),
        ({"max_seq_length": "8192"}, "more than the 4096 tokens"),
        ({"batch_size": "8"}, "per_device_train_batch_size"),
        ({"apply_ort": "true"}, "ignored"),
    ],
)
def test_warnings(user, warning):
    """What is allowed and probably not meant is said."""
    (found,) = resolve_parameters(COMPONENT, PHI, user).warnings
    assert warning in found


def test_case_of_choices():
    """Choices are taken in any case and sent as the component writes them."""
    assert resolve_parameters(COMPONENT, PHI, {"Apply-Lora": " FALSE "}).value("apply_lora") == "false"


@given(st.sampled_from(SETTABLE), st.one_of(st.text(max_size=30), st.integers().map(str), st.floats().map(str)))
def test_any_value_is_valid_or_explained(name, value):
    """Whatever is typed is either sent in a form the component takes, or answered with what it takes."""
    one = COMPONENT.inputs[name]
    try:
        sent = resolve_parameters(COMPONENT, PHI, {name: value}).value(name)
    except InputError as error:
        assert error.field
        assert error.why
        return
    if one.enum:
        assert sent in one.enum
    elif one.type == "integer":
        assert str(int(sent)) == sent
        assert one.minimum is None or int(sent) >= one.minimum
    elif one.type == "number":
        assert math.isfinite(float(sent))


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5))
def test_model_defaults_never_break_a_plan(defaults):
    """Whatever a model's tags suggest, everything sent is an input of the component."""
    resolved = resolve_parameters(COMPONENT, FoundationModel("m", "1", "id", defaults=defaults), {})
    assert {one.name for one in resolved.values} <= set(SETTABLE)
    assert {one.name for one in resolved.dropped} | {
        one.name for one in resolved.values if one.source == "model"
    } == set(defaults)
