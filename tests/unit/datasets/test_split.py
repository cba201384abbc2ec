"""Which file a row goes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.split import BUFFERED_ROWS, Splitter, keys_of
from core.datasets.writer import Part
from core.errors import DatasetError


def split(prompts: list[str], validation: float = 0.05, test: float = 0.05, seed: int = 42) -> dict[Part, list[str]]:
    """Return the prompts of each part."""
    parts: dict[Part, list[str]] = {part: [] for part in Part}
    splitter = Splitter(lambda part, line: parts[part].append(line.decode()), validation, test)
    for prompt in prompts:
        splitter.add(keys_of(prompt, seed)[1], prompt.encode())
    splitter.finish()
    return parts


@given(st.sets(st.integers(), min_size=3, max_size=200), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_a_small_dataset_is_divided_exactly(numbers: set[int], validation: float, test: float) -> None:
    """My few rows give a validation and a test file of the size I asked for, never an empty one."""
    parts = split([str(number) for number in numbers], validation, test)
    assert len(parts[Part.VALIDATION]) == max(1, round(validation * len(numbers)))
    assert len(parts[Part.TEST]) == max(1, round(test * len(numbers)))
    assert sum(map(len, parts.values())) == len(numbers)
    assert parts[Part.TRAIN]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=40), st.randoms())
def test_the_order_of_the_rows_changes_nothing(prompts: list[str], random: object) -> None:
    """A file sorted in another way is divided in the same way, and one prompt is never in two files."""
    prompts = [*"abcdefgh", *prompts]
    shuffled = prompts.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = split(prompts), split(shuffled)
    assert {part: sorted(rows) for part, rows in first.items()} == {part: sorted(rows) for part, rows in second.items()}
    train, validation, test = (set(rows) for rows in first.values())
    assert not (train & validation or train & test or validation & test)


def test_a_large_dataset_is_divided_nearly_exactly() -> None:
    """The shares also hold when the rows are too many to wait for the last one."""
    count = 10 * BUFFERED_ROWS
    parts = split([str(number) for number in range(count)])
    assert len(parts[Part.VALIDATION]) == pytest.approx(0.05 * count, rel=0.15)
    assert len(parts[Part.TEST]) == pytest.approx(0.05 * count, rel=0.15)
    assert sum(map(len, parts.values())) == count


def test_another_seed_gives_another_split() -> None:
    """I can draw the validation rows anew."""
    prompts = [str(number) for number in range(200)]
    assert split(prompts)[Part.TEST] != split(prompts, seed=43)[Part.TEST]
    assert keys_of("a", -1) != keys_of("a", 1)


def test_two_prompts_are_too_few() -> None:
    """I am told when there is nothing to divide."""
    with pytest.raises(DatasetError) as error:
        split(["a", "b", "b"])
    assert "2 different prompts" in error.value.why
