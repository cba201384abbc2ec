"""The demo's handbook: true of this bot, and asked about fairly."""

import re
from pathlib import Path

import msgspec

from bot.commands.catalogue import ALL
from bot.demo.handbook import Question, read_handbook
from core.datasets import DatasetRequest, prepare
from core.local_azure.work import Stage
from core.settings import Settings

HANDBOOK = read_handbook()
ROWS = [msgspec.json.decode(line)["messages"] for line in HANDBOOK.rows_file.read_bytes().splitlines()]
ASKED = {row[0]["content"].casefold() for row in ROWS}
ANSWERS = {row[1]["content"] for row in ROWS}


def test_no_question_is_one_of_the_rows() -> None:
    """What the demo asks was not learned word by word."""
    questions = [*HANDBOOK.held_out, *HANDBOOK.general]
    assert len(HANDBOOK.held_out) >= 15
    assert [question.text for question in questions if question.text.casefold() in ASKED] == []


def test_every_question_is_answered_by_the_handbook() -> None:
    """Each held-out question can be answered with what the rows say, and by one fact only."""
    for question in HANDBOOK.held_out:
        assert len([answer for answer in ANSWERS if question.is_right(answer)]) == 1, question.text


def test_every_command_of_the_handbook_exists() -> None:
    """The model is taught no command that the bot does not have."""
    taught = set(re.findall(r"/ft-[a-z]+", " ".join(text["content"] for row in ROWS for text in row)))
    assert taught <= {command.name for command in ALL}
    assert len(taught) == 8


def test_its_numbers_are_true(tmp_path: Path) -> None:
    """Stages, name lengths and the database are those of the bot."""
    assert len(Stage) == 5
    assert "A fine-tuning job has five stages." in ANSWERS
    assert Settings(folder=tmp_path, database_url="").database.startswith("sqlite:")


def test_the_rows_are_a_good_dataset(tmp_path: Path) -> None:
    """The bot's own check finds nothing wrong with the demo's rows."""
    request = DatasetRequest(source=str(HANDBOOK.rows_file), validation_share=0.04, test_share=0.02)
    report = prepare(request, tmp_path, progress=lambda progress: None)
    assert (report.rows, report.bad_rows, report.duplicates) == (len(ROWS), 0, 0)


def test_an_answer_needs_all_key_phrases() -> None:
    """Case and line feeds do not matter; a missing phrase does."""
    question = Question("?", all_of=("owner",), any_of=("five", "5 stages"))
    assert question.is_right("The OWNER has 5\nstages.")
    assert not question.is_right("The owner.")
    assert not question.is_right("Five.")
