"""Datasets of chat rows: read from any source, validated, split and written as the three JSON Lines files that a
fine-tuning job takes.
"""

from core.datasets.prepare import prepare
from core.datasets.report import CharacterStatistics, DatasetReport, PreviewRow, Problem, Progress
from core.datasets.request import DatasetRequest

__all__ = ["CharacterStatistics", "DatasetReport", "DatasetRequest", "PreviewRow", "Problem", "Progress", "prepare"]
