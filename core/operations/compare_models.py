"""Ask several deployed models the same question at the same time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from core.azure.types import Answer, ChatMessage, Sampling
from core.errors import InputError, UserError
from core.operations.query_endpoint import ask_endpoint, serving
from core.records.tables import Endpoint
from core.services import Services

_MOST = 5


@dataclass(frozen=True)
class ComparedAnswer:
    """What one endpoint answered, or why it did not: exactly one of `answer` and `error` is set."""

    endpoint: Endpoint
    answer: Answer | None
    error: UserError | None = None


def compare(
    services: Services,
    endpoint_ids: Sequence[str],
    messages: Sequence[ChatMessage],
    sampling: Sampling | None = None,
) -> list[ComparedAnswer]:
    """Return every endpoint's answer in the order asked; one that fails does not keep the others from answering.

    Raises InputError for fewer than two or more than five, NotFoundError or ConflictError for one that is not up.
    """
    if not 2 <= len(set(endpoint_ids)) == len(endpoint_ids) <= _MOST:
        raise InputError(f"Compare takes two to {_MOST} different endpoints.", field="endpoints")
    endpoints = [serving(services, one) for one in endpoint_ids]

    def ask(endpoint: Endpoint) -> ComparedAnswer:
        try:
            return ComparedAnswer(endpoint, ask_endpoint(services, endpoint.id, messages, sampling or Sampling()))
        except UserError as error:
            return ComparedAnswer(endpoint, None, error)

    with ThreadPoolExecutor(len(endpoints)) as pool:
        return list(pool.map(ask, endpoints))
