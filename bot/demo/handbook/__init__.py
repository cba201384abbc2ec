"""The handbook of this bot as chat rows, and questions about it in other words than any row's.

`handbook.jsonl` is what the demo fine-tunes on: facts about the bot, each in several questions with one short answer,
and some general questions, so that a small model does not forget how to answer those. `held_out.jsonl` asks for the
facts in other words, one question for each fact; an answer is right if it has the key phrases, which nobody guesses who
has not learned the handbook. `general.jsonl` is what the model must still be able to answer. No question of the latter
two is a row.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question and how its answer is recognised: every phrase of `all_of`, and one of `any_of` if there are any."""

    text: str
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()

    def is_right(self, answer: str) -> bool:
        """Return whether the answer has the key phrases, in any case and spacing."""
        words = " ".join(answer.casefold().split())
        return all(phrase in words for phrase in self.all_of) and (
            not self.any_of or any(phrase in words for phrase in self.any_of)
        )


@dataclass(frozen=True)
class Handbook:
    """The rows' file, the questions, and what the demo types: the arguments of `/ft-data` and `/ft-launch`, and a chat.

    With these arguments, SmolLM2-135M-Instruct learns the handbook in under two minutes on two quiet cores. Its rows
    are few, so that only a few are set aside; the learning rate is far above what larger models bear.
    """

    rows_file: Path
    held_out: tuple[Question, ...]
    general: tuple[Question, ...]
    data_arguments: str = "validation=4 test=2"
    launch_arguments: str = (
        "num_train_epochs=2 per_device_train_batch_size=2 learning_rate=0.001 lr_scheduler_type=cosine warmup_steps=6 "
        "apply_lora=true lora_r=16 lora_alpha=32 lora_dropout=0"
    )
    chat: tuple[str, ...] = ("Hi there!", "How do I delete an endpoint?")


def read_handbook() -> Handbook:
    """Return the handbook that comes with the bot."""
    return Handbook(
        rows_file=FOLDER / "handbook.jsonl",
        held_out=_questions("held_out.jsonl"),
        general=_questions("general.jsonl"),
    )


def _questions(name: str) -> tuple[Question, ...]:
    lines = (FOLDER / name).read_bytes().splitlines()
    return tuple(msgspec.json.decode(line, type=Question) for line in lines)
