"""What the demo measured, and whether that is a success."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

RIGHT_BEFORE_AT_MOST = 0.20
RIGHT_AFTER_AT_LEAST = 0.60


@dataclass
class Score:
    """Answers to the same questions: how many of the held-out and of the general ones were right."""

    right: int = 0
    asked: int = 0
    general_right: int = 0
    general_asked: int = 0

    @property
    def share(self) -> float:
        """Return the part of the held-out questions that was answered right, 0 to 1."""
        return self.right / self.asked if self.asked else 0.0

    def __str__(self) -> str:
        """Return the held-out score in words."""
        return f"{self.right} of {self.asked} ({self.share:.0%})"


@dataclass
class Summary:
    """Everything the demo reports at its end; times in seconds."""

    before: Score = field(default_factory=Score)
    after: Score = field(default_factory=Score)
    loss_before: float | None = None
    loss_after: float | None = None
    phases: dict[str, float] = field(default_factory=dict)
    slack_requests: int = 0
    azure_requests: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - began

    def shortcomings(self) -> list[str]:
        """Return what the demo promises and this run did not show."""
        found = []
        if self.loss_before is None or self.loss_after is None or self.loss_after >= self.loss_before:
            found.append("the loss on held-out rows did not fall")
        if self.before.share >= RIGHT_BEFORE_AT_MOST:
            found.append(f"{self.before} held-out answers were right before tuning: they should be new to the model")
        if self.after.share < RIGHT_AFTER_AT_LEAST:
            found.append(f"only {self.after} held-out answers were right after tuning")
        if self.after.general_right < self.after.general_asked:
            found.append("the tuned model has forgotten how to answer a general question")
        return found

    def show(self, console: Console) -> None:
        """Print the summary."""
        table = Table(title="Summary", title_justify="left", title_style="bold", show_header=False, pad_edge=False)
        loss = [f"{value:.3f}" if value is not None else "unknown" for value in (self.loss_before, self.loss_after)]
        table.add_row("Loss on held-out rows", f"{loss[0]} before, {loss[1]} after")
        table.add_row("Held-out answers right", f"{self.before} before, {self.after} after")
        general = self.after
        table.add_row("General answers sensible after", f"{general.general_right} of {general.general_asked}")
        for name, seconds in self.phases.items():
            table.add_row(f"  {name}", f"{seconds:.0f} s")
        table.add_row("Seconds in all", f"{sum(self.phases.values()):.0f} s")
        table.add_row("Requests made", f"{self.slack_requests:,} to Slack, {self.azure_requests:,} to Azure ML")
        console.print()
        console.print(table)
