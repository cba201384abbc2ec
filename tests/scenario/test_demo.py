"""The whole life of a model, as `finetune-bot demo` plays it, with a tiny model in the place of the real one."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bot.demo.handbook import Handbook, Question
from bot.demo.play import MODEL, on_stage
from bot.demo.story import tell_story
from bot.demo.summary import Score, Summary
from tests.tiny_model import make_tiny_model


@pytest.fixture
def handbook(tmp_path: Path) -> Handbook:
    """Sixty rows that teach one answer, and two questions."""
    answer = "The capital of France is Paris."
    row = {"role": "assistant", "content": answer}
    rows = [{"messages": [{"role": "user", "content": f"What is the capital? {n}"}, row]} for n in range(60)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Handbook(
        rows_file=file,
        held_out=(Question("What is the capital of France?", any_of=("paris",)),),
        general=(Question("Refunds?"),),
        data_arguments="validation=10 test=5",
        launch_arguments="num_train_epochs=2 per_device_train_batch_size=4 learning_rate=0.01 logging_steps=1 "
        "apply_lora=true lora_r=8",
        chat=("What is the capital?",),
    )


@pytest.mark.timeout(240)
def test_a_model_lives_its_whole_life(tmp_path: Path, handbook: Handbook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validate, data, launch, watch, deploy, ask, chat, reminder and tear down follow each other in the channel."""
    make_tiny_model(tmp_path / "weights" / MODEL)
    monkeypatch.setenv("FINETUNE_BOT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("FINETUNE_BOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
    terminal, summary = StringIO(), Summary()
    with on_stage(tmp_path / "demo", Console(file=terminal, width=140), summary) as scene:
        tell_story(scene, handbook)
    summary.show(Console(file=terminal, width=140))
    shown = terminal.getvalue()
    assert summary.loss_before is not None
    assert summary.loss_after is not None
    assert summary.loss_after < summary.loss_before
    assert summary.before.asked == summary.after.asked == 1
    assert summary.slack_requests > 50
    assert summary.azure_requests > 50
    for words in (
        "Start the fine-tune",
        "registered as",
        "Deployed:",
        "No requests for 3 h",
        "Billing stopped",
        "Summary",
    ):
        assert words in shown, shown


def test_the_demo_fails_for_what_it_does_not_show() -> None:
    """A run that taught the model nothing is not called a success."""
    learnt = Summary(Score(1, 15), Score(14, 15, 3, 3), loss_before=4.0, loss_after=0.1)
    assert learnt.shortcomings() == []
    unlearnt = Summary(Score(5, 15), Score(6, 15, 2, 3), loss_before=4.0, loss_after=4.1)
    assert len(unlearnt.shortcomings()) == 4
