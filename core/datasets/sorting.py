"""What happens to each row of a dataset: left out for a reason, or written; and the count of all that."""

from array import array
from collections import Counter

from core.datasets.batches import Batch
from core.datasets.report import CharacterStatistics, DatasetReport, PreviewRow, Problem
from core.datasets.request import DatasetRequest
from core.datasets.rows import BadRow, ChatRow, first_prompt, row_of_columns, row_of_line
from core.datasets.split import WHOLE, Splitter, keys_of
from core.datasets.writer import DatasetWriter, Part
from core.errors import DatasetError

LISTED_PROBLEMS = 20
PREVIEWED_ROWS = 5
PREVIEWED_CHARACTERS = 200


class Sorting:
    """One dataset being sorted into its three files. `take` every batch, `finish`, and when the files are published ask
    for the `report`.

    Kept per row: the hash of its conversation (duplicates), its number of characters, and of test rows the prompt's key
    (leakage).
    """

    def __init__(self, request: DatasetRequest, writer: DatasetWriter, *, has_test: bool, percent: float) -> None:
        self.rows_read = 0
        self._request = request
        self._writer = writer
        self._has_test = has_test
        self._sample_end = int(percent / 100 * WHOLE)
        self._splitter = Splitter(writer.write, request.validation_share, 0 if has_test else request.test_share)
        self._problems: list[Problem] = []
        self._bad_rows: Counter[str] = Counter()
        self._seen: set[int] = set()
        self._test_keys: set[int] = set()
        self._duplicates = 0
        self._leakage = 0
        self._characters = array("Q")
        self._preview: list[PreviewRow] = []

    def take(self, batch: Batch) -> None:
        """Sort the rows of one batch; raises `OSError` if they cannot be written."""
        for number, content in enumerate(batch.rows, start=batch.first):
            try:
                if isinstance(content, bytes):
                    if content.isspace():
                        continue
                    row, line = row_of_line(content)
                else:
                    row, line = row_of_columns(content)
            except BadRow as fault:
                self._bad_rows[fault.code] += 1
                if len(self._problems) < LISTED_PROBLEMS:
                    self._problems.append(Problem(number, fault.code, fault.message, batch.file))
            else:
                self._place(row, line, is_test=batch.is_test)
            self.rows_read += 1

    def finish(self) -> None:
        """Write the rows that still wait; raises `DatasetError` if the dataset as a whole cannot be used."""
        bad_rows = self._bad_rows.total()
        allowed = self._request.max_bad_rows
        if not self.rows_read:
            raise DatasetError("The dataset is empty.", next="Give a dataset with at least three rows.")
        if bad_rows == self.rows_read or bad_rows > (self.rows_read / 2 if allowed is None else allowed):
            first = self._problems[0]
            raise DatasetError(
                f"{bad_rows:,} of {self.rows_read:,} rows cannot be used.",
                why=f"The most frequent reason is {self._bad_rows.most_common(1)[0][0]}; the first is at {first.file}, "
                f"line {first.line}: {first.message}",
                next="Correct these rows." if allowed is None else "Correct these rows, or allow more bad rows.",
            )
        if not self._characters:
            raise DatasetError("No row is left.", why="The percent is too small for this dataset.", next="Take more.")
        self._splitter.finish()
        if empty := [part for part, file in self._writer.files.items() if not file.rows]:
            raise DatasetError(
                f"No row would be left for {' and '.join(empty)}.",
                why="The rows have too few different prompts, and one prompt is never in two files.",
                next="Add rows with other prompts.",
            )

    def report(self) -> DatasetReport:
        """Return what is in the published files and what was left out."""
        files = self._writer.files
        lengths = sorted(self._characters)
        return DatasetReport(
            rows=len(lengths),
            rows_read=self.rows_read,
            train_rows=files[Part.TRAIN].rows,
            validation_rows=files[Part.VALIDATION].rows,
            test_rows=files[Part.TEST].rows,
            bad_rows=self._bad_rows.total(),
            bad_rows_by_code=tuple(self._bad_rows.most_common()),
            problems=tuple(self._problems),
            duplicates=self._duplicates,
            leakage=self._leakage,
            characters=CharacterStatistics(
                mean=sum(lengths) / len(lengths),
                p95=lengths[(len(lengths) * 95 + 99) // 100 - 1],
                maximum=lengths[-1],
                total=sum(lengths),
            ),
            preview=tuple(self._preview),
            sha256=self._writer.sha256(),
            train_path=files[Part.TRAIN].path,
            validation_path=files[Part.VALIDATION].path,
            test_path=files[Part.TEST].path,
            bytes=sum(file.bytes for file in files.values()),
        )

    def _place(self, row: ChatRow, line: bytes, *, is_test: bool) -> None:
        contents = [message.content for message in row.messages]
        prompt = first_prompt(row.messages)
        sample_key, split_key = keys_of(prompt, self._request.seed)
        if sample_key >= self._sample_end:
            return
        # Python's own hash is quick and good enough within one run: two of a million rows collide once in 10^7 runs
        conversation = hash(tuple(contents))
        if conversation in self._seen:
            self._duplicates += 1
            return
        self._seen.add(conversation)
        if is_test:
            self._test_keys.add(split_key)
            self._writer.write(Part.TEST, line)
        elif split_key in self._test_keys:
            self._leakage += 1
            return
        else:
            self._splitter.add(split_key, line)
        self._characters.append(sum(map(len, contents)))
        if len(self._preview) < PREVIEWED_ROWS:
            self._preview.append(PreviewRow(_shortened(prompt), _shortened(contents[-1]), len(contents)))


def _shortened(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= PREVIEWED_CHARACTERS else f"{one_line[: PREVIEWED_CHARACTERS - 1]}…"
