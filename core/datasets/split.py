"""Which file a row goes to: decided by its prompt alone, so that a second run decides the same and one prompt is never
in two files.
"""

import hashlib
from collections.abc import Callable

from core.datasets.writer import Part
from core.errors import DatasetError

BUFFERED_ROWS = 2000
"""Up to so many rows the shares are exact; beyond, the law of large numbers is (a part of 1 % stays empty once in 10^8
datasets).
"""

WHOLE = 1 << 64
"""Keys are below this number."""


def keys_of(prompt: str, seed: int) -> tuple[int, int]:
    """Return two independent numbers below 2^64 that depend on the prompt and the seed only: for sampling and for the
    place in the split.
    """
    digest = hashlib.blake2b(
        prompt.strip().encode(), digest_size=16, salt=seed.to_bytes(8, "little", signed=True)
    ).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


class Splitter:
    """Sends training rows on to `write`, divided in train, validation and (if `test_share` is above 0) test.

    The rows with the smallest keys are the validation rows, the next ones the test rows. As long as all rows fit into a
    small buffer, this is done by rank, so that the shares are exact and no part is empty; a larger dataset streams
    through by the key's value.
    """

    def __init__(self, write: Callable[[Part, bytes], None], validation_share: float, test_share: float) -> None:
        self._write = write
        self._shares = (validation_share, test_share)
        self._validation_end = int(validation_share * WHOLE)
        self._test_end = self._validation_end + int(test_share * WHOLE)
        self._buffer: list[tuple[int, bytes]] | None = []

    def add(self, key: int, line: bytes) -> None:
        """Take one row whose prompt has this key."""
        if self._buffer is None:
            self._write(self._part(key), line)
            return
        self._buffer.append((key, line))
        if len(self._buffer) > BUFFERED_ROWS:
            self._empty_buffer()

    def finish(self) -> None:
        """Send on what still waits; raises `DatasetError` if there are too few different prompts for all parts."""
        if self._buffer is None:
            return
        keys = sorted({key for key, _ in self._buffer})
        validation, test = (max(1, round(share * len(keys))) if share else 0 for share in self._shares)
        if len(keys) <= validation + test:
            raise DatasetError(
                "There are too few rows to divide.",
                why=f"{len(keys)} different prompts cannot fill train, validation and test files.",
                next="Add rows.",
            )
        self._validation_end, self._test_end = keys[validation], keys[validation + test]
        self._empty_buffer()

    def _empty_buffer(self) -> None:
        for key, line in self._buffer or ():
            self._write(self._part(key), line)
        self._buffer = None

    def _part(self, key: int) -> Part:
        if key < self._validation_end:
            return Part.VALIDATION
        return Part.TEST if key < self._test_end else Part.TRAIN
