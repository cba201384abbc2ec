"""What the component's inputs accept, and what is said when they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.local_azure.engine.inputs import Inputs, ignored, read

NEEDED = {"task_name": "ChatCompletion", "mlflow_model_path": "/models/m", "train_file_path": "/data/train.jsonl"}


def test_the_defaults_are_the_components() -> None:
    """A job that gives only a model and data trains with the component's defaults."""
    inputs = read(NEEDED)
    assert (inputs.learning_rate, inputs.num_train_epochs, inputs.lora_alpha) == (2e-5, 1, 128)
    assert (inputs.apply_lora, inputs.evaluation_strategy, inputs.max_seq_length) == ("false", "epoch", -1)


def test_an_empty_value_counts_as_not_given() -> None:
    """An optional file input that the wire passes as an empty text is absent."""
    assert read({**NEEDED, "validation_file_path": ""}).validation_file_path is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_train_epochs": "0"}, "num_train_epochs accepts an integer at least 1, not '0'"),
        ({"num_train_epochs": "two"}, "num_train_epochs accepts an integer at least 1, not 'two'"),
        ({"learning_rate": "0"}, "learning_rate accepts a number more than 0, not '0'"),
        ({"learning_rate": "-1"}, "learning_rate accepts a number more than 0, not '-1'"),
        ({"learning_rate": "nan"}, "learning_rate accepts a number more than 0, not 'nan'"),
        ({"learning_rate": "inf"}, "learning_rate accepts a number more than 0, not 'inf'"),
        ({"optim": "adamw_hf"}, "optim accepts adamw_torch or adafactor, not 'adamw_hf'"),
        ({"lora_dropout": "1"}, "lora_dropout accepts a number at least 0 and less than 1, not '1'"),
        ({"apply_lora": "True"}, "apply_lora accepts true or false, not 'True'"),
        ({"task_name": ""}, "task_name is required and accepts ChatCompletion"),
        ({"learning_rate_min": "1"}, "learning_rate_min is not an input of chat_completion_pipeline 0.0.82"),
        ({"max_seq_length": "0"}, "max_seq_length accepts -1 or at least 1, not 0"),
        (
            {"apply_early_stopping": "true", "evaluation_strategy": "disable"},
            "apply_early_stopping needs evaluation_strategy epoch or steps, not disable",
        ),
        (
            {"apply_deepspeed": "true", "auto_find_batch_size": "true"},
            "apply_deepspeed and auto_find_batch_size cannot both be true",
        ),
        (
            {"apply_deepspeed": "true", "deepspeed_stage": "3", "apply_ort": "true"},
            "deepspeed_stage 3 and apply_ort cannot be combined",
        ),
        ({"mlflow_model_path": ""}, "exactly one of mlflow_model_path, pytorch_model_path, huggingface_id is needed"),
        ({"huggingface_id": "a/b"}, "given: mlflow_model_path, huggingface_id"),
        ({"train_file_path": ""}, "train_file_path is needed"),
        ({"test_mltable_path": "/t"}, "test_mltable_path cannot be read on this machine, give test_file_path"),
    ],
)
def test_a_wrong_input_is_named_with_what_it_accepts(changes: dict[str, str], message: str) -> None:
    """A person who gives a wrong value reads which input it was and what it accepts."""
    with pytest.raises(InputError) as raised:
        read({**NEEDED, **changes})
    assert message in str(raised.value)


def test_all_wrong_inputs_are_named_at_once() -> None:
    """A person need not submit again to learn of the second mistake."""
    with pytest.raises(InputError) as raised:
        read({**NEEDED, "optim": "x", "lora_r": "0", "precision": "8"})
    assert all(name in str(raised.value) for name in ("optim", "lora_r", "precision"))


@given(name=st.sampled_from(Inputs.__struct_fields__), value=st.text(max_size=20))
def test_any_value_is_accepted_or_refused_by_name(name: str, value: str) -> None:
    """Whatever text is given, it is read or the refusal names the input; nothing else can happen."""
    try:
        read({**NEEDED, name: value})
    except InputError as error:
        assert name in str(error)


def test_what_cannot_apply_here_is_said() -> None:
    """A person who asks for DeepSpeed on this machine reads in the log that it is not used, and why."""
    lines = ignored(read({**NEEDED, "apply_deepspeed": "true", "num_nodes_finetune": "2"}))
    assert lines == [
        "ignored: num_nodes_finetune (there is one node, this machine)",
        "ignored: apply_deepspeed (DeepSpeed shards a model over GPUs and one device trains here)",
    ]
    assert ignored(read(NEEDED)) == []
