"""The dataset card: how far the preparation is, then what is in it, what was left out and what it looks like."""

from bot.cards.blocks import Block, Card, actions, button, context, divider, fields, section
from bot.cards.job import failure_text
from bot.cards.untrusted import code, mrkdwn
from core.datasets import DatasetReport
from core.operations.prepare_dataset import dataset_report, dataset_request
from core.records.tables import Dataset

LAUNCH = "dataset_launch"
_SHOWN_PROBLEMS = 5
_SHOWN_ROWS = 3


def dataset_card(dataset: Dataset) -> Card:
    """Show a dataset as it is."""
    request = dataset_request(dataset)
    source = mrkdwn(request.source, 120)
    share = f", {request.percent:g} %" if request.percent < 100 else ""
    report = dataset_report(dataset)
    state = _state(dataset)
    blocks = [section(f":bar_chart: *{source}*{share}\n{state}")]
    if dataset.failure:
        blocks.append(section(failure_text(dataset.failure)))
    if report is not None:
        blocks += [block for block in _contents(report) if block is not None]
    if dataset.state == "ready":
        blocks.append(actions(button("Fine-tune on it…", LAUNCH, dataset.id, style="primary")) or divider())
    return Card.of(f"Dataset {source}: {state}", [*blocks, context(f"{code(dataset.id)} · <@{dataset.owner}>")])


def _state(dataset: Dataset) -> str:
    if dataset.state == "failed":
        return "Could not be prepared"
    report = dataset_report(dataset)
    if report is not None:
        return f"Ready: {report.rows:,} rows"
    return f"Being prepared: {dataset.rows_read:,} rows read" if dataset.rows_read else "Being prepared"


def _contents(report: DatasetReport) -> list[Block | None]:
    left_out = [
        f"{report.bad_rows:,} unusable" if report.bad_rows else "",
        f"{report.duplicates:,} repeated" if report.duplicates else "",
        f"{report.leakage:,} also in the test rows" if report.leakage else "",
    ]
    return [
        fields(
            [
                ("Train", f"{report.train_rows:,} rows"),
                ("Validation", f"{report.validation_rows:,} rows"),
                ("Test", f"{report.test_rows:,} rows"),
                ("Left out", ", ".join(part for part in left_out if part) or "nothing"),
                (
                    "Length",
                    f"about {report.characters.estimated_tokens:,} tokens, longest row "
                    f"{report.characters.maximum:,} characters",
                ),
                ("Content", f"sha256 {code(report.sha256[:16])}"),
            ]
        ),
        _problems(report),
        *_preview(report),
    ]


def _problems(report: DatasetReport) -> Block | None:
    if not report.problems:
        return None
    lines = [
        f"• {mrkdwn(one.file, 60)} line {one.line:,}: {mrkdwn(one.message, 200)}"
        for one in report.problems[:_SHOWN_PROBLEMS]
    ]
    more = report.bad_rows - len(lines)
    return section("*Rows left out*\n" + "\n".join(lines) + (f"\n… and {more:,} more" if more > 0 else ""))


def _preview(report: DatasetReport) -> list[Block | None]:
    return [
        context(f"*Q* {mrkdwn(row.prompt, 300)}", f"*A* {mrkdwn(row.answer, 300)}")
        for row in report.preview[:_SHOWN_ROWS]
    ]
