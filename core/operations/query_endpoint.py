"""Ask a deployed model: stream its answer, or put a row of the test split to it and show the reference beside."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.azure.types import Answer, ChatMessage, Sampling
from core.errors import ConflictError, InputError
from core.operations.register_model import job_spec
from core.records.tables import Endpoint, Job
from core.services import Services

__all__ = ["ChatMessage", "Sampling", "TestAnswer", "ask_endpoint", "ask_test_row", "stream_answer"]

TEST_SAMPLING = Sampling(temperature=0.0)
"""For a row of the test split: the same answer every time it is asked."""


@dataclass(frozen=True)
class TestAnswer:
    """One row of the test split, counted from 0: what was asked, what the row answers, what the model answered."""

    row: int
    messages: tuple[ChatMessage, ...]
    reference: str
    answer: Answer


class _Row(msgspec.Struct):
    messages: list[ChatMessage]


def stream_answer(
    services: Services,
    endpoint_id: str,
    messages: Sequence[ChatMessage],
    sampling: Sampling | None = None,
    person: str = "",
) -> Iterator[str]:
    """Return the pieces of the model's next message; the endpoint counts as used from now on.

    `person` is the Slack user who asks. Raises NotFoundError or ConflictError at once, AzureError while answering.
    """
    endpoint = serving(services, endpoint_id)
    note_request(services, endpoint_id)
    target = services.azure.scoring_target(endpoint.id)
    return services.scoring.stream(target, messages, sampling or Sampling())


def ask_endpoint(services: Services, endpoint_id: str, messages: Sequence[ChatMessage], sampling: Sampling) -> Answer:
    """Return the model's next message whole; raises NotFoundError, ConflictError or AzureError."""
    endpoint = serving(services, endpoint_id)
    note_request(services, endpoint_id)
    return services.scoring.ask(services.azure.scoring_target(endpoint.id), messages, sampling)


def ask_test_row(services: Services, endpoint_id: str, row: int | None = None) -> TestAnswer:
    """Ask the model row `row` of its job's test split, counted from 0; None: one at random.

    Raises ConflictError for an endpoint without a job or a test file, InputError for a row that is not there.
    """
    endpoint = serving(services, endpoint_id)
    number, messages, reference = test_row(_test_file(services, endpoint), row)
    return TestAnswer(number, messages, reference, ask_endpoint(services, endpoint_id, messages, TEST_SAMPLING))


def test_row(file: Path, row: int | None) -> tuple[int, tuple[ChatMessage, ...], str]:
    """Return a row's number, its messages before the last answer, and that answer; lines are read one at a time."""
    with file.open("rb") as lines:
        total = sum(1 for _ in lines)
    number = random.randrange(total) if row is None and total else row or 0
    if not 0 <= number < total:
        raise InputError(f"The test split has no row {number}.", next=f"It has rows 0 to {total - 1}.", field="row")
    with file.open("rb") as lines:
        found = next(line for at, line in enumerate(lines) if at == number)
    messages = tuple(msgspec.json.decode(found, type=_Row).messages)
    last = max(at for at, message in enumerate(messages) if message.role == "assistant")
    return number, messages[:last], messages[last].content


def serving(services: Services, endpoint_id: str) -> Endpoint:
    """Return an endpoint that answers questions; raises ConflictError that says what it does instead."""
    endpoint = services.store.get(Endpoint, endpoint_id)
    if endpoint.state == "Gone":
        raise ConflictError(f"The endpoint `{endpoint.id}` is gone.", next="`/ft-deploy` brings its model up again.")
    if endpoint.wanted == "gone":
        raise ConflictError(f"The endpoint `{endpoint.id}` is being deleted.")
    if endpoint.deployed_at is None:
        state = endpoint.deployment_state or endpoint.state or "about to be created"
        raise ConflictError(
            f"The endpoint `{endpoint.id}` does not serve yet.",
            why=f"Its deployment is {state}.",
            next="Its card says when it can be asked." if endpoint.failure is None else "`/ft-status` says why.",
        )
    return endpoint


def note_request(services: Services, endpoint_id: str) -> None:
    """Record that the endpoint was asked just now, so that nobody is reminded of it as idle."""
    with services.store.transaction() as session:
        endpoint = session.get_one(Endpoint, endpoint_id)
        endpoint.last_request_at, endpoint.reminded_at = services.clock(), None


def _test_file(services: Services, endpoint: Endpoint) -> Path:
    if endpoint.job_id is None:
        raise ConflictError(f"`{endpoint.id}` serves a model of no job of ours, so it has no test split.")
    file = job_spec(services.store.get(Job, endpoint.job_id)).test_path
    if not file.is_file():
        raise ConflictError(f"The test split of `{endpoint.job_id}` is no longer there.", why="Its files were deleted.")
    return file
