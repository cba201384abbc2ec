"""What happens while trl trains: lines in the log, metrics to the tracking server, checkpoints, and stopping.

The only module of the engine that needs transformers to be imported, since a callback inherits from theirs.
"""

import logging
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from core.local_azure.engine.checkpoints import mark_complete
from core.local_azure.engine.stopping import Stop
from core.local_azure.engine.tracking import Tracker

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
METRICS = ("loss", "eval_loss", "learning_rate", "grad_norm", "epoch")


class Reporting(TrainerCallback):  # type: ignore[misc]
    """Sends the metrics and writes readable lines; the speed counts training steps only, not evaluations."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.first_step = 0
        self.step_began = 0.0
        self.training_seconds = 0.0
        self.seconds_since_logged = 0.0
        self.tokens_when_logged = 0.0
        self.last_line = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Say how much is to be done."""
        self.first_step = state.global_step
        self.tracker.log_params({"max_steps": state.max_steps})
        log.info("training from step %d to step %d", state.global_step, state.max_steps)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Begin to measure a step."""
        self.step_began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Measure a step, and write a line when the last one is long ago."""
        now = time.monotonic()
        self.training_seconds += now - self.step_began
        self.seconds_since_logged += now - self.step_began
        if now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            log.info("step %d/%d  %s left", state.global_step, state.max_steps, self.remaining(state))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **others: Any,
    ) -> None:
        """Send what the Trainer logs, and write it as a line."""
        values = {name: float(logs[name]) for name in METRICS if name in logs}
        if "loss" in values and "num_tokens" in logs and self.seconds_since_logged:
            values["tokens_per_second"] = (logs["num_tokens"] - self.tokens_when_logged) / self.seconds_since_logged
            self.tokens_when_logged = logs["num_tokens"]
            self.seconds_since_logged = 0.0
        if not values.keys() & {"loss", "eval_loss"}:
            return
        self.tracker.log_metrics(values, state.global_step)
        self.last_line = time.monotonic()
        text = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        # The Trainer evaluates before it knows how many steps there are.
        total = f"/{state.max_steps}  {self.remaining(state)} left" if state.max_steps else ""
        log.info("step %d%s  %s", state.global_step, total, text)

    def remaining(self, state: TrainerState) -> str:
        """Return the time that the remaining steps take at the speed so far."""
        done = max(1, state.global_step - self.first_step)
        seconds = round(self.training_seconds / done * (state.max_steps - state.global_step))
        return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


class StopWhenTold(TrainerCallback):  # type: ignore[misc]
    """Ends training after the step under way, with a checkpoint; an evaluation is broken off."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """End training with a checkpoint and without an evaluation when told to stop."""
        if self.stop.told:
            log.info("told to stop: writing a checkpoint at step %d", state.global_step)
            control.should_training_stop = True
            control.should_save = True
            control.should_evaluate = False

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Break an evaluation off when told to stop."""
        self.stop.exit_if_told()


class Checkpoints(TrainerCallback):  # type: ignore[misc]
    """Writes a checkpoint every `steps` steps and at the end, beside those that evaluations cause, and marks them."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Ask for a checkpoint when it is time for one."""
        at_the_end = state.global_step >= state.max_steps and args.save_strategy == "no"
        if state.global_step % self.steps == 0 or at_the_end:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Mark the checkpoint that was just written as complete."""
        mark_complete(Path(args.output_dir), state.global_step)
