"""`/ft-deploy`: plan a deployment; the plan's button starts it."""

from bot.cards import job as cards
from bot.commands.declaration import Arguments, Command, Kind, Parameter
from bot.requests import ButtonHandler, Dependencies, Request, subject_id
from core.events import SubjectKind
from core.operations.deploy_model import DeployRequest, plan_deploy

COMMAND = Command(
    "/ft-deploy",
    "Plan a deployment with its price per hour and day. Only the plan's button starts it.",
    (
        Parameter("model", "a job, a registered model or a base model; left out: your newest", example="ft-1a2b3c4d"),
        Parameter("instance_type", "the VM size; left out: the team's", example="Standard_NC24ads_A100_v4"),
        Parameter("instance_count", "how many", Kind.INTEGER, positional=False, default="1"),
        Parameter("name", "the endpoint's name; left out: made from the model's", positional=False),
    ),
    ("/ft-deploy ft-1a2b3c4d", "/ft-deploy my-model:3 instance_type=Standard_NC24ads_A100_v4"),
)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> None:
    """Plan the deployment; its plan is announced."""
    count = arguments.integer("instance_count")
    asked = DeployRequest(
        model=arguments.text("model") or subject_id(request, dependencies.services, SubjectKind.JOB),
        instance_type=arguments.text("instance_type"),
        instance_count=1 if count is None else count,
        name=arguments.text("name"),
    )
    plan_deploy(dependencies.services, request.requester, asked)


def deploy_job(request: Request, dependencies: Dependencies) -> None:
    """Plan to deploy the model of the job whose button was pressed."""
    plan_deploy(dependencies.services, request.requester, DeployRequest(model=request.text))


BUTTONS: dict[str, ButtonHandler] = {cards.DEPLOY: deploy_job}
