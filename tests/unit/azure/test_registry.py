"""What a base model's tags say, in the forms they have had."""

from datetime import date
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from core.azure.registry import parse_foundation_model, parse_inputs

NAME, VERSION = "Phi-4", "8"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def model(**properties):
    return parse_foundation_model(NAME, VERSION, "azureml://x", properties)


def test_allow_lists_of_tags():
    """The older models' tags, which are Python literals, give the sizes and the defaults as strings."""
    tags = {
        "finetune_compute_allow_list": "['Standard_NC24ads_A100_v4', 'Standard_ND96asr_v4']",
        "inference_compute_allow_list": "['Standard_NC6s_v3']",
        "model_specific_defaults": "{'apply_lora': 'true', 'apply_ort': False, 'deepspeed_stage': 2}",
    }
    found = model(tags=tags)
    assert found.finetune_sizes == ("Standard_NC24ads_A100_v4", "Standard_ND96asr_v4")
    assert found.inference_sizes == ("Standard_NC6s_v3",)
    assert found.defaults == {"apply_lora": "true", "apply_ort": "false", "deepspeed_stage": "2"}


def test_allow_lists_of_system_metadata():
    """Since June 2026 the sizes are in the system metadata."""
    metadata = {"supportedComputes": {"finetuneComputes": ["A", "B"], "inferenceComputes": ["C"]}}
    found = model(tags={}, systemMetadata=metadata)
    assert (found.finetune_sizes, found.inference_sizes) == (("A", "B"), ("C",))


def test_model_without_lists():
    """A model that names no sizes is not one that allows none."""
    found = model(tags={"task": "chat-completion"})
    assert found.finetune_sizes is None
    assert found.inference_sizes is None


def test_retired_model():
    """A retired model says so, whether in tags or properties, with its dates."""
    dates = {"finetuneRetirementDate": "2025-08-30", "inferenceRetirementDate": "2025-08-30T00:00:00Z"}
    found = model(isArchived=True, tags={}, properties=dates)
    assert found.archived
    assert found.finetune_retirement == found.inference_retirement == date(2025, 8, 30)
    assert not model(isArchived="False", tags={}).archived


def test_context_length():
    """The context length is read as a number, and "128K" as one too."""
    assert model(tags={"textContextWindow": "4096"}).context_length == 4096
    assert model(tags={"maxContextLength": "128K"}).context_length == 131072
    assert model(tags={}).context_length is None


@given(
    properties=st.dictionaries(st.sampled_from(["tags", "properties", "isArchived", "systemMetadata"]), VALUES),
    tag=st.text(),
)
def test_odd_tags_never_break(properties, tag):
    """Whatever a publisher writes into tags, the model can still be read."""
    names = ("finetune_compute_allow_list", "model_specific_defaults", "finetuneRetirementDate", "textContextWindow")
    found = model(**properties)
    assert found.name == NAME
    assert model(tags=dict.fromkeys(names, tag)).version == VERSION


def test_component_inputs_with_strings_for_scalars():
    """The registry's strings for booleans and numbers become what they mean."""
    given_by_sdk = {
        "num_train_epochs": SimpleNamespace(type="integer", default=1, enum=None, min="1", max=None, optional="True"),
        "task_name": SimpleNamespace(
            type="string", default=None, enum=["ChatCompletion"], min=None, max=None, optional=False
        ),
    }
    found = parse_inputs(given_by_sdk)
    assert (found["num_train_epochs"].minimum, found["num_train_epochs"].default) == (1.0, "1")
    assert found["num_train_epochs"].optional
    assert found["task_name"].enum == ("ChatCompletion",)
    assert not found["task_name"].optional
