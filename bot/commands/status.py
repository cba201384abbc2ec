"""`/ft-status`: one job, endpoint or dataset, or everything there is."""

from bot.cards import job as cards
from bot.cards.blocks import Card
from bot.cards.dataset import dataset_card
from bot.cards.endpoint import endpoint_card
from bot.cards.overview import log_card, overview_card
from bot.cards.untrusted import code_block
from bot.commands.declaration import Arguments, Command, Kind, Parameter
from bot.requests import ButtonHandler, Dependencies, Request, thread_subject
from core.operations.report_status import overview, recent_log, report_status
from core.records.tables import Endpoint, Job

COMMAND = Command(
    "/ft-status",
    "Show a job, an endpoint or a dataset; without a name, everything there is.",
    (
        Parameter("id", "a job, an endpoint or a dataset", example="ft-1a2b3c4d"),
        Parameter(
            "show", "the card, or the last lines of its log", Kind.CHOICE, default="card", choices=("card", "log")
        ),
    ),
    ("/ft-status", "/ft-status ft-1a2b3c4d log"),
)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> Card:
    """Show the record that is named, or whose thread this is, or all."""
    services = dependencies.services
    subject = thread_subject(request, services)
    id_ = arguments.text("id") or (subject[1] if subject else "")
    if not id_:
        return overview_card(overview(services), services.clock())
    if arguments.text("show") == "log":
        return _log(dependencies, id_)
    record = report_status(services, id_)
    if isinstance(record, Job):
        return cards.job_card(record)
    return endpoint_card(record, services.clock()) if isinstance(record, Endpoint) else dataset_card(record)


def logs(request: Request, dependencies: Dependencies) -> Card:
    """Show the last lines of the log of the record whose button was pressed."""
    return _log(dependencies, request.text)


def _log(dependencies: Dependencies, id_: str) -> Card:
    lines = recent_log(dependencies.services, id_)
    return log_card(id_, lines, code_block("\n".join(lines)))


BUTTONS: dict[str, ButtonHandler] = {cards.LOGS: logs}
