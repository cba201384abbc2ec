"""The job card: one message per fine-tune, brought up to date while it runs."""

from collections.abc import Mapping
from typing import Any

from bot.cards.amounts import between, duration, progress_bar, sparkline
from bot.cards.blocks import Block, Card, Element, actions, button, context, section
from bot.cards.untrusted import code, code_block, mrkdwn
from core.azure.types import TERMINAL_JOB_STATES
from core.records.tables import Job

CANCEL, LOGS, DEPLOY = "job_cancel", "job_logs", "job_deploy"
STAGES = (
    ("ft_nlp_common_validation", "Validate"),
    ("chat_completion_model_import", "Import the model"),
    ("chat_completion_datapreprocess", "Prepare the data"),
    ("chat_completion_finetune", "Fine-tune"),
    ("ft_nlp_model_converter", "Convert"),
)
_MARKS = {
    "Completed": ":white_check_mark:",
    "Failed": ":x:",
    "Canceled": ":black_square_for_stop:",
    "CancelRequested": ":black_square_for_stop:",
    "Running": ":arrow_forward:",
    "Finalizing": ":arrow_forward:",
}
_NOT_YET = ":white_small_square:"


def job_card(job: Job) -> Card:
    """Show a job as it was last observed."""
    title = mrkdwn(title_of(job), 150)
    state = state_of(job)
    blocks = [
        section(f":test_tube: *{title}*\n{state}"),
        _stages(job),
        _training(job),
        _failure(job),
        context(_troubles(job)),
        actions(*_buttons(job)),
        context(f"{code(job.id)} · <@{job.owner}> · {_made_of(job.spec)}"),
    ]
    return Card.of(f"{title}: {state}", blocks)


def title_of(job: Job) -> str:
    """Return the job's display name."""
    return str(job.spec.get("display_name") or job.id)


def state_of(job: Job) -> str:
    """Return the job's state in a few words."""
    if job.model_version:
        return f"Completed and registered as {code(f'{job.model_name}:{job.model_version}')}"
    if job.wanted == "cancelled" and job.state not in TERMINAL_JOB_STATES:
        return "Being cancelled"
    if job.failure and job.state in ("", "Failed"):
        return "Failed"
    if job.state == "Completed" and job.failure:
        return "Completed, but its model could not be registered"
    if job.state == "Completed":
        return "Completed; its model is being registered"
    return mrkdwn(job.state) if job.state else "Waiting to be submitted"


def stage_name(name: str) -> str:
    """Return a stage of the pipeline in words."""
    return next((words for known, words in STAGES if known in name), name)


def current_stage(job: Job) -> str:
    """Return the stage that runs now, in words; empty when none does."""
    running = [
        stage for stage in job.stages if stage.get("status") in ("Running", "Finalizing", "Preparing", "Starting")
    ]
    return stage_name(str(running[-1].get("name", ""))) if running else ""


def losses(job: Job) -> str:
    """Return the evaluation loss before and after; empty when neither is known."""
    if job.eval_loss_before is None and job.eval_loss_after is None:
        return ""
    before, after = (f"{one:.3f}" if one is not None else "?" for one in (job.eval_loss_before, job.eval_loss_after))
    return f"loss on held-out rows {before} → {after}"


def _stages(job: Job) -> Block | None:
    if not job.stages:
        return None
    seen = {str(stage.get("name", "")): stage for stage in job.stages}
    lines = []
    for known, words in STAGES:
        status = next((str(stage.get("status", "")) for name, stage in seen.items() if known in name), "")
        lines.append(f"{_MARKS.get(status, _NOT_YET)} {words}")
    return section("   ".join(lines))


def _training(job: Job) -> Block | None:
    if not job.step and job.loss is None and not losses(job):
        return None
    lines = []
    if job.step and job.max_steps:
        lines.append(f"{progress_bar(job.step / job.max_steps)}  step {job.step:,} of {job.max_steps:,}")
    elif job.step:
        lines.append(f"step {job.step:,}")
    told = [
        f"loss {job.loss:.3f}" if job.loss is not None else "",
        f"learning rate {job.learning_rate:.2g}" if job.learning_rate is not None else "",
        f"about {duration(job.eta_seconds)} left" if job.eta_seconds and not job.finished_at else "",
        f"took {between(job.started_at, job.finished_at)}" if job.finished_at and job.started_at else "",
    ]
    lines.append(" · ".join(part for part in told if part))
    curve = sparkline([float(value) for _, value in job.losses])
    lines.append(f"loss `{curve}`" if curve else "")
    lines.append(f"*{losses(job)}*" if losses(job) else "")
    return section("\n".join(line for line in lines if line) or "–")


def _failure(job: Job) -> Block | None:
    return section(failure_text(job.failure)) if job.failure else None


def failure_text(failure: Mapping[str, Any], limit: int = 1_500) -> str:
    """Return why a job, dataset or endpoint failed, with the last lines of its log."""
    what = str(failure.get("message") or failure.get("what") or "It failed without saying why.")
    stage = stage_name(str(failure.get("stage") or ""))
    where = f" in the stage {mrkdwn(stage)}" if stage else ""
    number = f" ({code(failure['code'])})" if failure.get("code") else ""
    lines = [f":x: *Failed{where}*{number}: {mrkdwn(what, 800)}"]
    lines += [mrkdwn(failure[part], 400) for part in ("why", "next") if failure.get(part)]
    log = "\n".join(str(line) for line in failure.get("log") or ())
    return "\n".join(lines) + (f"\n{code_block(log, limit)}" if log else "")


def _troubles(job: Job) -> str:
    return f":hourglass: {mrkdwn(job.step_error)}; it is tried again." if job.step_error and job.next_at else ""


def _made_of(spec: Mapping[str, Any]) -> str:
    model, compute, dataset = (mrkdwn(spec.get(name, "")) for name in ("model_name", "compute", "dataset_name"))
    return f"{model} on {compute} with {dataset}"


def _buttons(job: Job) -> list[Element | None]:
    ended = job.state in TERMINAL_JOB_STATES or (job.failure is not None and job.next_at is None)
    logs = button("Logs", LOGS, job.id) if job.state else None
    if job.model_version:
        return [button("Deploy…", DEPLOY, job.id, style="primary"), logs]
    if ended or job.wanted == "cancelled":
        return [logs]
    return [button("Cancel…", CANCEL, job.id), logs]
