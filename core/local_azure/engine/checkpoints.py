"""Which checkpoints are complete: the Trainer writes them file by file and may be killed meanwhile."""

import shutil
from pathlib import Path

COMPLETE = "complete"


def folders(checkpoints: Path) -> list[Path]:
    """Return the checkpoint folders, the oldest first."""
    return sorted(checkpoints.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))


def mark_complete(checkpoints: Path, step: int) -> None:
    """Mark the checkpoint of a step, after everything in it was written."""
    (checkpoints / f"checkpoint-{step}" / COMPLETE).touch()


def last_complete(checkpoints: Path) -> Path | None:
    """Return the newest checkpoint that training can go on from."""
    complete = [folder for folder in folders(checkpoints) if (folder / COMPLETE).exists()]
    return complete[-1] if complete else None


def prune_incomplete(checkpoints: Path) -> None:
    """Remove the checkpoints that were being written when the run was killed."""
    for folder in folders(checkpoints):
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder)
