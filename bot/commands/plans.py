"""The buttons of a plan card: confirm it once, or dismiss it."""

from collections.abc import Callable
from typing import Any

from bot.access import require_owner
from bot.cards.plan import CONFIRM, DISMISS, who_may
from bot.requests import ButtonHandler, Dependencies, Request
from core.operations.cancel_job import cancel_job
from core.operations.create_compute import create_compute
from core.operations.deploy_model import deploy_model
from core.operations.dismiss_plan import dismiss_plan
from core.operations.launch_finetune import launch_finetune
from core.operations.tear_down import tear_down
from core.records.tables import Plan, PlanKind
from core.services import Services

CARRY_OUT: dict[PlanKind, Callable[[Services, str, str], Any]] = {
    PlanKind.FINETUNE: launch_finetune,
    PlanKind.DEPLOY: deploy_model,
    PlanKind.CREATE_COMPUTE: create_compute,
    PlanKind.CANCEL: cancel_job,
    PlanKind.TEAR_DOWN: tear_down,
}


def confirm(request: Request, dependencies: Dependencies) -> None:
    """Carry the plan out, once; what comes of it is announced."""
    services, user = dependencies.services, request.requester.user
    plan = services.store.get(Plan, request.text)
    require_owner(user, who_may(plan), services.settings.admin_ids, "confirm this plan")
    CARRY_OUT[PlanKind(plan.kind)](services, plan.id, user)


def dismiss(request: Request, dependencies: Dependencies) -> None:
    """Let the plan be confirmed no more; who dismissed it is announced."""
    services, user = dependencies.services, request.requester.user
    plan = services.store.get(Plan, request.text)
    allowed = {plan.owner, *services.settings.admin_ids}
    require_owner(user, who_may(plan), allowed, "dismiss this plan")
    dismiss_plan(services, plan.id, user)


BUTTONS: dict[str, ButtonHandler] = {CONFIRM: confirm, DISMISS: dismiss}
