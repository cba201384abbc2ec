"""What there is: jobs, endpoints and datasets, a line each."""

from collections.abc import Iterable
from datetime import datetime

from bot.cards import endpoint as endpoints
from bot.cards import job as jobs
from bot.cards.amounts import duration, money
from bot.cards.blocks import Block, Card, context, section
from bot.cards.untrusted import code, mrkdwn
from core.operations.costs import cost_per_day, is_costing
from core.operations.prepare_dataset import dataset_request
from core.operations.report_status import Overview
from core.records.tables import Dataset, Endpoint, Job

_SHOWN = 10


def overview_card(overview: Overview, now: datetime) -> Card:
    """Show what runs and what there is, with what all endpoints together cost per day."""
    blocks = [
        _listed("Jobs", [_job(one) for one in overview.jobs]),
        _listed("Endpoints", [_endpoint(one, now) for one in overview.endpoints]),
        _listed("Datasets", [_dataset(one) for one in overview.datasets]),
    ]
    if not any(blocks):
        blocks = [section("There is nothing yet. `/ft-data` prepares a dataset, `/ft-launch` fine-tunes on it.")]
    return Card.of("What there is", [*blocks, context(_total(overview.endpoints))])


def log_card(id_: str, lines: Iterable[str], block: str) -> Card:
    """Show the last lines of a log; `block` is them as a code block."""
    count = sum(1 for _ in lines)
    if not count:
        return Card.of(f"No log of {id_} yet", [section(f"There is no log of {code(id_)} yet.")])
    return Card.of(f"The log of {id_}", [section(f"The last {count} lines of {code(id_)}"), section(block)])


def _listed(title: str, lines: list[str]) -> Block | None:
    if not lines:
        return None
    more = f"\n… and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return section(f"*{title}*\n" + "\n".join(f"• {line}" for line in lines[:_SHOWN]) + more)


def _job(job: Job) -> str:
    told = [
        jobs.state_of(job),
        mrkdwn(jobs.current_stage(job)),
        f"step {job.step:,} of {job.max_steps:,}" if job.step and job.max_steps else "",
        f"loss {job.loss:.3f}" if job.loss is not None else "",
        f"about {duration(job.eta_seconds)} left" if job.eta_seconds else "",
        f"<@{job.owner}>",
    ]
    return f"{code(job.id)} {' · '.join(part for part in told if part)}"


def _endpoint(endpoint: Endpoint, now: datetime) -> str:
    so_far = f"{endpoints.so_far(endpoint, now)}" if endpoint.billing_started_at else "not billed yet"
    return f"{code(endpoint.id)} {endpoints.state_of(endpoint)} · {so_far} · <@{endpoint.owner}>"


def _dataset(dataset: Dataset) -> str:
    rows = (dataset.report or {}).get("rows")
    count = f" · {rows:,} rows" if isinstance(rows, int) else ""
    source = mrkdwn(dataset_request(dataset).source, 80)
    return f"{code(dataset.id)} {source} · {dataset.state}{count} · <@{dataset.owner}>"


def _total(all_endpoints: Iterable[Endpoint]) -> str:
    costing = [one for one in all_endpoints if is_costing(one)]
    daily = [cost for one in costing if (cost := cost_per_day(one)) is not None]
    return f"The endpoints cost {money(sum(daily), costing[0].currency)} per day." if daily else ""
