"""The plan card: what will be done, with what, at what price; one press of its button runs it once."""

from collections.abc import Iterable, Sequence

from bot.cards.amounts import duration, moment, money
from bot.cards.blocks import Block, Card, actions, button, context, fields, section
from bot.cards.untrusted import clip, code, mrkdwn
from core.azure.types import Price
from core.operations.cancel_job import CancelPlan
from core.operations.create_compute import ComputePlan
from core.operations.deploy_model import DeployPlan
from core.operations.parameters import Parameter
from core.operations.plan_finetune import FinetunePlan
from core.operations.tear_down import TearDownPlan
from core.records.tables import Plan, PlanKind

CONFIRM, DISMISS = "plan_confirm", "plan_dismiss"
_SOURCES = (("user", "You set"), ("model", "The model's own defaults"), ("component", "The pipeline's defaults"))


def plan_card(plan: Plan, *, dismissed_by: str = "") -> Card:
    """Show a plan: with its buttons while nobody took it, afterwards with who did."""
    title, rows, label, style, warning = _CONTENT[PlanKind(plan.kind)](plan)
    ending = _ending(plan, dismissed_by)
    buttons = None
    if not ending:
        buttons = actions(
            button(label, CONFIRM, plan.id, style=style, confirm=warning),
            button("Dismiss", DISMISS, plan.id),
        )
        ending = (
            f"Nothing has happened yet. <@{who_may(plan)}> or an admin may confirm until {moment(plan.expires_at)} · "
            f"{code(plan.id)}"
        )
    return Card.of(f"Plan: {title}", [section(f"*{title}*"), *rows, buttons, context(ending)])


def who_may(plan: Plan) -> str:
    """Return who may confirm besides admins: the owner of what would be stopped, else who asked for the plan."""
    return str(plan.body.get("owner") or plan.owner)


def _ending(plan: Plan, dismissed_by: str) -> str:
    if plan.taken_by:
        made = f" · {code(plan.result)}" if plan.result else ""
        at = f" {moment(plan.taken_at)}" if plan.taken_at else ""
        return f"Confirmed by <@{plan.taken_by}>{at}{made}"
    return f"Dismissed by <@{dismissed_by}>. Nothing was done." if dismissed_by else ""


Content = tuple[str, list[Block | None], str, str, str]
"""Title, blocks, the button's text, its style, and what it asks before it is sent."""


def _finetune(plan: Plan) -> Content:
    body = FinetunePlan.of(plan)
    estimate = body.estimate
    time = f"about {duration(estimate.seconds)}" if estimate.seconds is not None else "unknown"
    cost = money(estimate.price, _currency(body.price)) if estimate.price is not None else "unknown"
    rows = [
        fields(
            [
                ("Model", f"{code(body.model_name)} version {mrkdwn(body.model_version)}"),
                (
                    "Dataset",
                    f"{code(body.dataset_name)} · {code(body.dataset_id)} · sha256 {code(body.dataset_sha256[:12])}",
                ),
                ("Rows", f"{body.train_rows:,} train, {body.validation_rows:,} validation, {body.test_rows:,} test"),
                ("Compute", f"{code(body.compute)} · {body.nodes} × {mrkdwn(body.size)}"),
                ("Training", f"{body.steps:,} steps of {body.batch_size} rows"),
                ("Price per hour", _price(body.price, body.nodes)),
                ("Time", f"{time} ({mrkdwn(estimate.basis)})"),
                ("Cost", cost),
            ]
        ),
        *_parameters(body.parameters),
        _listed("Left out", [f"{code(one.name)}: {mrkdwn(one.why)}" for one in body.dropped]),
        _warnings(body.warnings),
    ]
    return f"Fine-tune {mrkdwn(body.display_name, 120)}", rows, "Start the fine-tune", "primary", ""


def _parameters(parameters: Sequence[Parameter]) -> Iterable[Block]:
    for source, title in _SOURCES:
        shown = [f"{code(one.name)} {mrkdwn(one.value, 60)}" for one in parameters if one.source == source]
        if shown:
            yield section(f"*{title}*\n{' · '.join(shown)}")


def _deploy(plan: Plan) -> Content:
    body = DeployPlan.of(plan)
    rows = [
        fields(
            [
                ("Model", f"{code(body.model_name)} version {mrkdwn(body.model_version)}"),
                ("Endpoint", code(body.endpoint)),
                ("Size", f"{body.instance_count} × {mrkdwn(body.instance_type)}"),
                ("Price", _running_price(body.price, body.instance_count)),
            ]
        ),
        _warnings(body.warnings),
    ]
    return f"Deploy {mrkdwn(body.model_name, 120)}", rows, "Deploy", "primary", ""


def _compute(plan: Plan) -> Content:
    body = ComputePlan.of(plan)
    rows = [
        fields(
            [
                ("Size", f"{mrkdwn(body.size)}, {body.gpus_per_node} GPUs per node"),
                ("Nodes", f"0 to {body.max_instances}, off after {body.idle_minutes} idle minutes"),
                ("Tier", f"{mrkdwn(body.tier)}; low priority when Azure has no dedicated cores left"),
                ("Price per hour and node", _price(body.price, 1)),
            ]
        ),
        _warnings(body.warnings),
    ]
    return f"Create the compute {mrkdwn(body.name)}", rows, "Create", "primary", ""


def _cancel(plan: Plan) -> Content:
    body = CancelPlan.of(plan)
    reached = f", at step {body.step:,} of {body.max_steps:,}" if body.step and body.max_steps else ""
    rows: list[Block | None] = [
        section(f"The job of <@{body.owner}> is {mrkdwn(body.state or 'not yet submitted')}{reached}.")
    ]
    asked = "The job stops; what it has learned since its start is lost."
    return f"Cancel the job {mrkdwn(body.id)}", rows, "Cancel the job", "danger", asked


def _tear_down(plan: Plan) -> Content:
    body = TearDownPlan.of(plan)
    costs = [
        ("So far", money(body.cost_so_far, body.currency) if body.cost_so_far is not None else "unknown"),
        ("Per day", money(body.cost_per_day, body.currency) if body.cost_per_day is not None else "unknown"),
    ]
    shown = f"{code(body.model_name)} version {mrkdwn(body.model_version)}; it stays registered"
    rows = [fields([("Model", shown), ("Owner", f"<@{body.owner}>"), *costs])]
    asked = "The endpoint is deleted and nobody can ask it any more. Its model stays."
    return f"Delete the endpoint {mrkdwn(body.id)}", rows, "Delete the endpoint", "danger", asked


_CONTENT = {
    PlanKind.FINETUNE: _finetune,
    PlanKind.DEPLOY: _deploy,
    PlanKind.CREATE_COMPUTE: _compute,
    PlanKind.CANCEL: _cancel,
    PlanKind.TEAR_DOWN: _tear_down,
}


def _currency(price: Price | None) -> str:
    return price.currency if price else "USD"


def _price(price: Price | None, nodes: int) -> str:
    if price is None:
        return "unknown"
    return f"{money(price.amount * nodes, price.currency)} ({mrkdwn(price.source)}, {price.as_of})"


def _running_price(price: Price | None, count: int) -> str:
    if price is None:
        return "unknown, and it runs until it is deleted"
    hourly = price.amount * count
    return (
        f"{money(hourly, price.currency)} per hour, {money(hourly * 24, price.currency)} per day until it is deleted "
        f"({mrkdwn(price.source)}, {price.as_of})"
    )


def _warnings(warnings: Sequence[str]) -> Block | None:
    return _listed(":warning: Mind", [mrkdwn(one) for one in warnings])


def _listed(title: str, lines: Sequence[str]) -> Block | None:
    return section(clip(f"*{title}*\n" + "\n".join(f"• {line}" for line in lines), 2900)) if lines else None
