"""Makes the records true: carries out what was asked, observes what became of it."""

from core.reconciler.worker import Reconciler

__all__ = ["Reconciler"]
