"""What a person asks for when they ask for a dataset."""

from dataclasses import dataclass

from core.errors import DatasetError

SMALLEST_SHARE = 0.01
"""Below one percent of the rows, a validation file would measure noise (and a small dataset could leave it empty)."""


@dataclass(frozen=True, kw_only=True)
class DatasetRequest:
    """One dataset to prepare; the same request over the same rows always gives the same three files.

    `source` is a Hugging Face dataset id (``HuggingFaceH4/ultrachat_200k``), or the path of a jsonl, parquet or csv
    file, or of a folder of such files. `percent` is the part of the rows to use, 0 < percent <= 100: of a Hugging Face
    split the first rows, as in ``split[:5%]``; of files a sample spread over all rows.

    `train_split`, `test_split` and `config_name` concern Hugging Face only; with ``test_split=None`` the test rows are
    taken from the training split. `validation_share` and `test_share` are fractions of the rows between 0.01 and 0.5;
    `test_share` is unused when there is a test split.

    Rows that cannot be used are left out and reported. `max_bad_rows` is how many may be; None allows up to half of the
    rows.
    """

    source: str
    percent: float = 100
    train_split: str = "train_sft"
    test_split: str | None = "test_sft"
    config_name: str | None = None
    validation_share: float = 0.05
    test_share: float = 0.05
    seed: int = 42
    max_bad_rows: int | None = None

    def __post_init__(self) -> None:
        """Refuse values out of range with `DatasetError`."""
        if not self.source.strip():
            raise DatasetError("No dataset was named.", next="Give a Hugging Face dataset id or the path of a file.")
        if not 0 < self.percent <= 100:
            raise DatasetError(
                f"{self.percent:g} % of a dataset cannot be taken.", next="Give a percent above 0 and at most 100."
            )
        for name, share in (("validation_share", self.validation_share), ("test_share", self.test_share)):
            if not SMALLEST_SHARE <= share <= 0.5:
                raise DatasetError(f"{name} is {share:g}.", next=f"Give a fraction from {SMALLEST_SHARE:g} to 0.5.")
        if self.validation_share + self.test_share > 0.8:
            raise DatasetError(
                "Less than 20 % of the rows would be left for training.",
                next="Make validation_share and test_share smaller.",
            )
        if self.max_bad_rows is not None and self.max_bad_rows < 0:
            raise DatasetError("max_bad_rows is negative.", next="Give 0 to accept no bad row at all.")
