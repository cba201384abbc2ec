"""What was found of a compute, and the card of one that is being created."""

from collections.abc import Sequence

from bot.cards.amounts import money
from bot.cards.blocks import Block, Card, actions, button, context, fields, section
from bot.cards.job import failure_text
from bot.cards.untrusted import code, mrkdwn
from core.azure.types import FoundationModel
from core.operations.validate_compute import ComputeReport
from core.records.tables import Compute

CREATE = "compute_create"
_SHOWN_SIZES = 12


def compute_report_card(report: ComputeReport) -> Card:
    """Show whether a compute can fine-tune a model."""
    found = report.compute
    if found is None:
        verdict = f":grey_question: The workspace has no compute {code(report.name)}; it can be created"
    else:
        verdict = f":white_check_mark: {code(found.name)} can fine-tune {code(report.model.name)}"
    price = (
        f"{money(report.price.amount, report.price.currency)} ({mrkdwn(report.price.source)})"
        if report.price
        else "unknown"
    )
    rows = [
        (
            "Size",
            f"{mrkdwn(report.size)}: {report.gpus_per_node} GPUs, {report.vcpus} cores, {report.memory_gib:g} GiB",
        ),
        ("Price per hour and node", price),
    ]
    if found is not None:
        rows += [
            ("Nodes", f"{found.min_instances} to {found.max_instances}, {mrkdwn(found.tier)}"),
            ("State", mrkdwn(found.state)),
        ]
    blocks: list[Block | None] = [
        section(verdict),
        fields([*rows, *_model(report.model)]),
        _warnings(report.warnings),
        context(f"Sizes accepted: {mrkdwn(', '.join(report.accepted[:_SHOWN_SIZES]), 900)}" if report.accepted else ""),
    ]
    if found is None:
        blocks.append(
            actions(button("Create it…", CREATE, f"{report.name} {report.size} {report.model.name}", style="primary"))
        )
    return Card.of(verdict, blocks)


def compute_card(compute: Compute) -> Card:
    """Show a compute that somebody asked to create."""
    state = compute.state or "asked for"
    title = f":desktop_computer: Compute {code(compute.name)}: {mrkdwn(state)}"
    made_of = f"0 to {compute.max_instances} × {mrkdwn(compute.size)}, {mrkdwn(compute.tier)}, <@{compute.owner}>"
    failed = section(failure_text(compute.failure)) if compute.failure else None
    return Card.of(title, [section(title), failed, context(made_of)])


def _model(model: FoundationModel) -> Sequence[tuple[str, str]]:
    retired = [
        f"{use} ends {day}"
        for use, day in (("fine-tuning", model.finetune_retirement), ("deployment", model.inference_retirement))
        if day
    ]
    return [
        ("Model", f"{code(model.name)} version {mrkdwn(model.version)}\n{code(model.id)}"),
        ("Retirement", ", ".join(retired) or "none announced"),
    ]


def _warnings(warnings: Sequence[str]) -> Block | None:
    return section("*Mind*\n" + "\n".join(f":warning: {mrkdwn(one)}" for one in warnings)) if warnings else None
