"""`/ft-data`: prepare a dataset."""

from bot.commands.declaration import Arguments, Command, Kind, Parameter
from bot.requests import Dependencies, Request
from core.datasets import DatasetRequest
from core.operations.prepare_dataset import request_dataset

COMMAND = Command(
    "/ft-data",
    "Prepare a dataset: read, validate, split and preview it.",
    (
        Parameter(
            "source",
            "a Hugging Face dataset id, or the path of a jsonl, parquet or csv file on the bot's machine",
            required=True,
            example="HuggingFaceH4/ultrachat_200k",
        ),
        Parameter("percent", "the part of the rows to use", Kind.PERCENT, default="100", example="5"),
        Parameter("train_split", "the split to train on (Hugging Face)", positional=False, default="train_sft"),
        Parameter(
            "test_split",
            "the split to test on, `none` takes rows of the training split",
            positional=False,
            default="test_sft",
        ),
        Parameter("config", "the dataset's configuration (Hugging Face)", positional=False),
        Parameter("validation", "the part of the rows to validate with", Kind.PERCENT, positional=False, default="5"),
        Parameter(
            "test", "the part to test with when there is no test split", Kind.PERCENT, positional=False, default="5"
        ),
        Parameter("seed", "what rows are drawn with", Kind.INTEGER, positional=False, default="42"),
        Parameter("max_bad_rows", "how many unusable rows are accepted", Kind.INTEGER, positional=False),
    ),
    ("/ft-data HuggingFaceH4/ultrachat_200k percent=5", "/ft-data ./support.jsonl"),
)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> None:
    """Ask for the dataset; its card is announced."""
    test_split = arguments.text("test_split")
    asked = DatasetRequest(
        source=arguments.text("source"),
        percent=arguments.number("percent") or 100,
        train_split=arguments.text("train_split"),
        test_split=None if test_split.casefold() == "none" else test_split,
        config_name=arguments.text("config") or None,
        validation_share=(arguments.number("validation") or 5) / 100,
        test_share=(arguments.number("test") or 5) / 100,
        seed=arguments.integer("seed") or 0,
        max_bad_rows=arguments.integer("max_bad_rows"),
    )
    request_dataset(dependencies.services, request.requester, asked)
