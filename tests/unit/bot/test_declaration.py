"""What people type is understood, or answered with what is wrong and what would be right."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.commands.catalogue import ALL
from bot.commands.declaration import Arguments, Command, Kind, Parameter
from bot.commands.words import plain, words
from core.errors import InputError

DATA = Command(
    "/ft-data",
    "Prepare a dataset.",
    (
        Parameter("source", "a Hugging Face dataset id or a file", required=True),
        Parameter("percent", "the part of the rows to use", Kind.PERCENT, default="100"),
        Parameter("seed", "what the sample is drawn with", Kind.INTEGER, positional=False),
        Parameter("order", "how rows are ordered", Kind.CHOICE, choices=("sorted", "shuffled"), positional=False),
    ),
    ("/ft-data chats.jsonl percent=5",),
)
ASK = Command(
    "/ft-ask",
    "Ask.",
    (Parameter("endpoint", "the endpoint"), Parameter("question", "what to ask")),
    rest="question",
)
LAUNCH = Command("/ft-launch", "Tune.", (Parameter("dataset", "a dataset", positional=False),), open="parameters")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("chats.jsonl", {"source": "chats.jsonl", "percent": "100"}),
        ("chats.jsonl 5", {"source": "chats.jsonl", "percent": "5"}),
        ("percent=5% source=chats.jsonl", {"source": "chats.jsonl", "percent": "5%"}),
        ("--percent=5 chats.jsonl", {"source": "chats.jsonl", "percent": "5"}),
        ("source=“my chats.jsonl” percent=5", {"source": "my chats.jsonl", "percent": "5"}),
        ("'my chats.jsonl'\n5", {"source": "my chats.jsonl", "percent": "5"}),
        ("<http://chats.ai|chats.ai> order=SORTED", {"source": "chats.ai", "percent": "100", "order": "sorted"}),
        ("<https://a.example/b|the data>", {"source": "https://a.example/b", "percent": "100"}),
        ("today&amp;tomorrow.jsonl", {"source": "today&tomorrow.jsonl", "percent": "100"}),
        ("bob's.jsonl", {"source": "bob's.jsonl", "percent": "100"}),
    ],
)
def test_parameters_are_understood(text: str, values: dict[str, str]) -> None:
    """Positional or named, quoted by any keyboard, linked by Slack: it means the same."""
    assert DATA.parse(text).values == values


@pytest.mark.parametrize(
    ("text", "what", "next_"),
    [
        ("", "`source` is missing", "/ft-data source"),
        ("a.jsonl persent=5", "no parameter `persent`", "Did you mean `percent`?"),
        ("a.jsonl zzzz=5", "no parameter `zzzz`", "It takes: source, percent, seed, order"),
        ("a.jsonl 500", "`percent` takes a percent, not “500”", "/ft-data chats.jsonl percent=5"),
        ("a.jsonl nan", "`percent` takes a percent", ""),
        ("a.jsonl seed=1.5", "`seed` takes a whole number", ""),
        ("a.jsonl order=shufled", "cannot be “shufled”", "Did you mean `shuffled`?"),
        ("a.jsonl 5 more", "“more” is one word too many", ""),
        ("a.jsonl source=b", "`source` is given twice", ""),
        ('a.jsonl order="sorted', "not closed", "Close it"),
        ("a" * 9000, "a command takes at most 8,000", ""),
        ("a" * 2000, "`source` is 2,000 characters long", ""),
    ],
)
def test_mistakes_are_named(text: str, what: str, next_: str) -> None:
    """A mistake is answered with what is wrong and what would be right."""
    with pytest.raises(InputError) as refused:
        DATA.parse(text)
    assert what in refused.value.what
    assert next_ in refused.value.next


def test_a_question_is_taken_as_it_is() -> None:
    """Quotes, equals signs and line breaks in a question belong to the question."""
    assert ASK.parse('chat-1 what is "x=1"?\nAnd why’s that?').values == {
        "endpoint": "chat-1",
        "question": 'what is "x=1"?\nAnd why’s that?',
    }
    assert ASK.parse("chat-1").values == {"endpoint": "chat-1"}
    assert ASK.parse("chat-1\nwhat?").values == {"endpoint": "chat-1", "question": "what?"}


def test_a_question_may_be_preceded_by_parameters() -> None:
    """How the answer is drawn is said before the question, and an unknown name belongs to the question."""
    warm = Command(
        ASK.name,
        ASK.summary,
        (*ASK.parameters, Parameter("heat", "how warm", Kind.NUMBER, positional=False)),
        rest="question",
    )
    assert warm.parse("heat=0 chat-1 is x=1? heat=2").values == {
        "heat": "0",
        "endpoint": "chat-1",
        "question": "is x=1? heat=2",
    }


def test_an_open_command_passes_other_parameters_on() -> None:
    """The pipeline's own parameters are checked by the plan, not by the parser."""
    assert LAUNCH.parse("dataset=d-1 learning_rate=2e-5") == Arguments({"dataset": "d-1"}, {"learning_rate": "2e-5"})


def test_numbers_come_as_numbers() -> None:
    """A percent sign is a manner of speaking."""
    arguments = DATA.parse("a.jsonl 2.5% seed=7")
    assert (arguments.number("percent"), arguments.integer("seed"), arguments.text("order")) == (2.5, 7, "")


TYPED = "source= percent= persent = \" ' “ ” <http:// | > <@U1> <!here> &lt; -- 1e999 NaN ٣ -1 % \x00 \u202e ` é 汉 🦜"
PIECES = [
    *TYPED.split(),
    "\n",
    " ",
    "a" * 1001,
    "\ud800",
    *{f"{one.name}=" for command in ALL for one in command.parameters},
]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_no_text_breaks_the_parser(seed: int) -> None:
    """Ten thousand malformed texts, fifty a seed: each is understood or refused with what and next."""
    drawn = Random(seed)
    for _ in range(50):
        text = "".join(drawn.choices(PIECES, k=drawn.randrange(13)))
        command = drawn.choice(ALL)
        try:
            arguments = command.parse(text)
        except InputError as refused:
            assert refused.what, text
            assert len(str(refused)) < 2_000, text
            continue
        for parameter in command.parameters:
            if parameter.kind is Kind.INTEGER:
                arguments.integer(parameter.name)
            elif parameter.kind in (Kind.NUMBER, Kind.PERCENT):
                arguments.number(parameter.name)


@given(st.lists(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=10), max_size=6))
def test_plain_words_stay_words(typed: list[str]) -> None:
    """Words without quotes or markup come back as they were typed."""
    assert [word.value for word in words(plain(" ".join(typed)))] == typed
