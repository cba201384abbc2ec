"""`/ft-validate`: can this compute fine-tune that model, and if there is no such compute, create it."""

from bot.cards import compute as cards
from bot.cards.blocks import Card
from bot.commands.declaration import Arguments, Command, Parameter
from bot.requests import ButtonHandler, Dependencies, Request
from core.operations.create_compute import plan_compute
from core.operations.validate_compute import validate_compute

COMMAND = Command(
    "/ft-validate",
    "Check that a compute can fine-tune a model; offers to create one that does not exist.",
    (
        Parameter("compute", "the compute's name; left out: the team's", example="gpu-cluster"),
        Parameter("model", "the base model; left out: the team's", example="Phi-4", positional=False),
        Parameter("version", "the model's version; left out: the latest", positional=False),
        Parameter("size", "the VM size it shall have", example="Standard_NC24ads_A100_v4", positional=False),
    ),
    ("/ft-validate gpu-cluster model=Phi-4",),
)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> Card:
    """Say what was found of the compute."""
    report = validate_compute(
        dependencies.services,
        arguments.text("compute"),
        model=arguments.text("model"),
        version=arguments.text("version"),
        size=arguments.text("size"),
    )
    return cards.compute_report_card(report)


def create(request: Request, dependencies: Dependencies) -> None:
    """Plan the compute that a report said does not exist; its plan is announced."""
    name, size, model = (*request.text.split(), "", "", "")[:3]
    plan_compute(dependencies.services, request.requester, name, size, model=model)


BUTTONS: dict[str, ButtonHandler] = {cards.CREATE: create}
