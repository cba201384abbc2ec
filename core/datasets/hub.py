"""Rows of a Hugging Face dataset, streamed through `datasets`: only the part that is asked for is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rapidfuzz import process

from core.datasets.batches import ROWS_PER_BATCH, Batch, Source
from core.datasets.files import check_columns, first_line
from core.datasets.request import DatasetRequest
from core.errors import DatasetError

if TYPE_CHECKING:
    from datasets import DatasetBuilder


def hub_source(request: DatasetRequest, token: str | None) -> Source:
    """Return the rows of a dataset's test split, then of its training split.

    Of each split the first `request.percent` are taken, as ``split[:5%]`` does; where the dataset does not say how many
    rows a split has, the percentage is left to be sampled by the reader. Raises `DatasetError`, at once or while
    reading.
    """
    import datasets

    datasets.disable_progress_bars()
    with _explained(request.source, token):
        _check_network(request.source)
        builder = datasets.load_dataset_builder(request.source, request.config_name, token=token)
        known = list(builder.info.splits or builder.config.data_files or builder.as_streaming_dataset())
    splits = [request.train_split] if request.test_split is None else [request.test_split, request.train_split]
    for split in splits:
        if split not in known:
            raise _unknown_split(request.source, split, known)
    counts = {name: info.num_examples for name, info in (builder.info.splits or {}).items()}
    cut = all(counts.get(split) for split in splits)
    takes = {split: max(1, round(counts[split] * request.percent / 100)) for split in splits} if cut else {}
    return Source(
        batches=_batches(builder, request, splits, takes, token),
        has_test=request.test_split is not None,
        percent=100 if cut else request.percent,
    )


def _batches(
    builder: DatasetBuilder, request: DatasetRequest, splits: list[str], takes: dict[str, int], token: str | None
) -> Iterator[Batch]:
    total = sum(takes.values())
    done = 0
    for split in splits:
        first = 1
        with _explained(request.source, token):
            rows = builder.as_streaming_dataset(split=split)
            check_columns(rows.column_names, request.source)
            if takes:
                rows = rows.take(takes[split])
            for table in rows.with_format("arrow").iter(batch_size=ROWS_PER_BATCH):
                done += len(table)
                fraction = done / total if total else None
                yield Batch(split, first, table.to_pylist(), fraction, is_test=split == request.test_split)
                first += len(table)


def _check_network(source: str) -> None:
    """Raise httpx.TransportError at once without a network, for which the hub's own client tries half a minute."""
    from huggingface_hub import constants, get_session

    if not constants.HF_HUB_OFFLINE and not Path(source).exists():
        get_session().head(constants.ENDPOINT, timeout=5)


@contextmanager
def _explained(source: str, token: str | None) -> Iterator[None]:
    """Turn what `datasets` and the hub's client raise into a `DatasetError`."""
    import httpx
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import HfHubHTTPError
    from pyarrow import ArrowException

    try:
        yield
    except DatasetNotFoundError as error:
        if "gated" in str(error):
            raise DatasetError(
                f"{source} is a gated dataset.", next="Accept its terms on its page and set a Hugging Face token."
            ) from error
        raise DatasetError(
            f"There is no dataset {source} on the Hugging Face Hub (or it is private).", next=_nearest(source, token)
        ) from error
    except (ConnectionError, httpx.TransportError, HfHubHTTPError) as error:
        raise DatasetError(
            "The Hugging Face Hub cannot be reached.",
            why=first_line(error),
            next="Check the network and try again, or give the path of a file.",
        ) from error
    except (ValueError, ArrowException, OSError, RuntimeError) as error:
        raise DatasetError(f"{source} cannot be read through datasets.", why=first_line(error)) from error


def _unknown_split(source: str, split: str, known: list[str]) -> DatasetError:
    nearest = process.extractOne(split, known, score_cutoff=50)
    return DatasetError(
        f"{source} has no split {split}.",
        why=f"It has {', '.join(known)}." if known else "",
        next=f"Did you mean {nearest[0]}?" if nearest else "Name one of these.",
    )


def _nearest(source: str, token: str | None) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = [info.id for info in HfApi(token=token).list_datasets(search=source.split("/")[-1], limit=20)]
    except (OSError, HfHubHTTPError, RuntimeError):
        found = []
    nearest = process.extractOne(source, found)
    return f"Did you mean {nearest[0]}?" if nearest else "Check the id on huggingface.co/datasets."
