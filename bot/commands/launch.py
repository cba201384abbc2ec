"""`/ft-launch`: plan a fine-tune; the plan's button starts it."""

from bot.cards import dataset as cards
from bot.commands.declaration import Arguments, Command, Parameter
from bot.requests import ButtonHandler, Dependencies, Request, subject_id
from core.events import SubjectKind
from core.operations.plan_finetune import FinetuneRequest, plan_finetune

COMMAND = Command(
    "/ft-launch",
    "Plan a fine-tune with its parameters, time and price. Only the plan's button starts it.",
    (
        Parameter("dataset", "a dataset's id; left out: your newest that is ready", example="data-1a2b3c4d"),
        Parameter("model", "the base model; left out: the team's", example="Phi-4", positional=False),
        Parameter("version", "the model's version; left out: the latest", positional=False),
        Parameter("compute", "the compute; left out: the team's", example="gpu-cluster", positional=False),
        Parameter("name", "the job's name in the studio; left out: made from the parameters", positional=False),
    ),
    ("/ft-launch", "/ft-launch model=Phi-4 num_train_epochs=3 learning_rate=2e-5"),
    open="any parameter of the pipeline, for example num_train_epochs=3",
)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> None:
    """Plan the fine-tune; its plan is announced."""
    asked = FinetuneRequest(
        model=arguments.text("model"),
        version=arguments.text("version"),
        compute=arguments.text("compute"),
        dataset=arguments.text("dataset") or subject_id(request, dependencies.services, SubjectKind.DATASET),
        parameters=arguments.more,
        name=arguments.text("name"),
    )
    plan_finetune(dependencies.services, request.requester, asked)


def launch_on_dataset(request: Request, dependencies: Dependencies) -> None:
    """Plan a fine-tune on the dataset whose button was pressed, everything else as by default."""
    plan_finetune(dependencies.services, request.requester, FinetuneRequest(dataset=request.text))


BUTTONS: dict[str, ButtonHandler] = {cards.LAUNCH: launch_on_dataset}
