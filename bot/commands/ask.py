"""`/ft-ask`: ask a deployed model, or put a row of its job's test split to it."""

import re

from bot.cards import endpoint as cards
from bot.cards.answer import tested_row_card
from bot.commands.declaration import Arguments, Command, Kind, Parameter
from bot.requests import ButtonHandler, Dependencies, Request, thread_endpoint
from core.errors import InputError, NotFoundError
from core.operations.query_endpoint import Sampling, ask_test_row
from core.records.tables import Endpoint
from core.services import Services

COMMAND = Command(
    "/ft-ask",
    "Ask a deployed model. `test` instead of a question takes a row of the test split and shows its reference beside.",
    (
        Parameter(
            "endpoint", "the endpoint or its job; may be left out when there is only one", example="my-model-1a2b3c4d"
        ),
        Parameter("question", "what to ask, or `test`, or `test 7` for row 7", example="How do I cancel a job?"),
        Parameter("temperature", "0 always gives the likeliest answer", Kind.NUMBER, positional=False, default="0.6"),
        Parameter("max_new_tokens", "the longest answer", Kind.INTEGER, positional=False, default="200"),
    ),
    (
        "/ft-ask my-model-1a2b3c4d How do I cancel a job?",
        "/ft-ask temperature=0 Who are you?",
        "/ft-ask my-model-1a2b3c4d test",
    ),
    rest="question",
)
MOST_TOKENS = 2_000
_TEST = re.compile(r"test(?:\s+(?:row\s*)?(\d{1,9}))?", re.IGNORECASE)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> None:
    """Find out which endpoint is meant and stream its answer: in this thread, or in a new one for a slash command."""
    first, rest = arguments.text("endpoint"), arguments.text("question")
    named = named_endpoint(dependencies.services, first)
    question = rest if named is not None else f"{first} {rest}".strip()
    if not question:
        raise InputError("What do you want to ask?", next=f"`{COMMAND.usage}`", field="question")
    endpoint = named or thread_endpoint(request, dependencies.services) or only_endpoint(dependencies.services, first)
    sampling = Sampling(
        temperature=min(2.0, max(0.0, arguments.number("temperature") or 0.0)),
        max_new_tokens=min(MOST_TOKENS, max(1, arguments.integer("max_new_tokens") or 1)),
    )
    test = _TEST.fullmatch(question)
    if test:
        _test(request, dependencies, endpoint, int(test[1]) if test[1] else None)
    elif request.answer_thread:
        dependencies.conversation.answer(request.requester, request.answer_thread, endpoint, question, sampling)
    else:
        dependencies.conversation.ask_aloud(request.requester, endpoint, question, sampling)


def ask_test(request: Request, dependencies: Dependencies) -> None:
    """Put a row at random to the endpoint whose button was pressed."""
    _test(request, dependencies, dependencies.services.store.get(Endpoint, request.text), None)


def _test(request: Request, dependencies: Dependencies, endpoint: Endpoint, row: int | None) -> None:
    answer = ask_test_row(dependencies.services, endpoint.id, row)
    dependencies.conversation.show(request.requester, endpoint, tested_row_card(endpoint, answer))


def named_endpoint(services: Services, name: str) -> Endpoint | None:
    """Return the endpoint of this name, or the newest of this job; None when there is none."""
    if not name:
        return None
    found = services.store.find(Endpoint, (Endpoint.id == name) | (Endpoint.job_id == name), limit=1)
    return found[0] if found else None


def only_endpoint(services: Services, first: str) -> Endpoint:
    """Return the one endpoint that serves; raises NotFoundError or InputError when there is none or several."""
    serving = [
        one
        for one in services.store.find(Endpoint, Endpoint.wanted == "up", Endpoint.state != "Gone")
        if cards.is_serving(one)
    ]
    if not serving:
        raise NotFoundError(
            f"No endpoint serves, and none is called `{first[:40]}`.", next="`/ft-deploy` deploys a model."
        )
    if len(serving) > 1:
        names = ", ".join(f"`{one.id}`" for one in serving)
        raise InputError("Several endpoints serve; name the one to ask.", next=f"They are: {names}.", field="endpoint")
    return serving[0]


BUTTONS: dict[str, ButtonHandler] = {cards.ASK: ask_test}
