"""chat_completion_datapreprocess: the rows to train, validate and test with."""

import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from core.errors import DatasetError, ModelError
from core.local_azure.engine.inputs import Inputs
from core.local_azure.engine.model_import import imported
from core.local_azure.engine.rows import Row, read_rows
from core.local_azure.work import Stage, StageSpec

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")


def run(spec: StageSpec, inputs: Inputs, output: Path) -> None:
    """Write train.jsonl, validation.jsonl and test.jsonl; raises DatasetError when nothing is left to train with."""
    given = {
        split: read_rows(Path(path), f"{split}_file_path")
        for split in SPLITS
        if (path := getattr(inputs, f"{split}_file_path")) is not None
    }
    rows = split_rows(given, inputs.seed)
    for split in SPLITS:
        made = "" if split in given else " (split off the training rows)"
        log.info("%s: %d rows%s", split, len(rows[split]), made)
    model, _ = imported(spec)
    tokenizer = load_tokenizer(model)
    limit = longest_sequence(model, inputs)
    for split in SPLITS:
        kept = fitting(rows[split], tokenizer, limit, inputs.batch_size, split)
        with (output / f"{split}.jsonl").open("wb") as file:
            file.writelines(msgspec.json.encode(row) + b"\n" for row in kept)
        if split == "train" and not kept:
            raise DatasetError(
                "No training row is left.",
                why=f"In every one the answer begins after max_seq_length, {limit} tokens.",
                next="Give a larger max_seq_length or shorter prompts.",
            )


def split_rows(given: dict[str, list[Row]], seed: int) -> dict[str, list[Row]]:
    """Return the rows of all three splits, those that were not given split off the training rows.

    The shares are the component's (`preprocess.py`): training and test rows given: 80 % train, 20 % validate;
    training and validation rows given: 80 % train, 20 % test; only training rows given: 80 %, 10 % and 10 %.
    """
    missing = [split for split in ("validation", "test") if split not in given]
    if not missing:
        return given
    rows = list(given["train"])
    random.Random(seed).shuffle(rows)
    held_out = len(rows) // 5
    share = held_out // len(missing)
    split_off = {split: rows[index * share : (index + 1) * share] for index, split in enumerate(missing)}
    return {**given, **split_off, "train": rows[share * len(missing) :]}


def load_tokenizer(model: Path) -> Any:
    """Return the tokenizer of a model's folder; raises ModelError when it has no chat template."""
    # AutoTokenizer would import torch, which takes seconds.
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(model)
    if not tokenizer.chat_template:
        raise ModelError("The model's tokenizer has no chat template.", next="Choose a model that was made for chat.")
    return tokenizer


def longest_sequence(model: Path, inputs: Inputs) -> int:
    """Return how many tokens of a row are used: max_seq_length, and never more than the model's context."""
    context = int(msgspec.json.decode((model / "config.json").read_bytes()).get("max_position_embeddings", 2048))
    if inputs.max_seq_length == -1:
        return context
    if inputs.max_seq_length > context:
        log.info("max_seq_length: %d is more than the model's context, %d is used", inputs.max_seq_length, context)
    return min(inputs.max_seq_length, context)


def fitting(rows: list[Row], tokenizer: Any, limit: int, batch_size: int, split: str) -> list[Row]:
    """Return the rows of which at least a part of an answer is within `limit` tokens, and log how many are cut.

    Raises DatasetError when the chat template refuses a row.
    """
    kept: list[Row] = []
    total = cut = longest = 0
    for row, tokens, before_answer in lengths(rows, tokenizer, batch_size, split):
        longest = max(longest, tokens)
        total += min(tokens, limit)
        cut += tokens > limit
        if before_answer < limit:
            kept.append(row)
    if rows:
        log.info("%s: %d tokens, the longest row has %d", split, total, longest)
    if cut:
        share = round(100 * cut / len(rows))
        log.info("%s: %d rows (%d %%) are longer than %d tokens and are cut there", split, cut, share, limit)
    if len(kept) < len(rows):
        log.info("%s: %d of these are left out, since nothing of the answer remains", split, len(rows) - len(kept))
    return kept


def lengths(rows: list[Row], tokenizer: Any, batch_size: int, split: str) -> Iterator[tuple[Row, int, int]]:
    """Yield each row with its number of tokens, and the number of those before the assistant's first word."""
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        texts: list[str] = []
        for number, row in enumerate(batch, start=start + 1):
            messages = msgspec.to_builtins(row.messages)
            first = next(index for index, message in enumerate(row.messages) if message.role == "assistant")
            try:
                texts.append(tokenizer.apply_chat_template(messages, tokenize=False))
                texts.append(
                    tokenizer.apply_chat_template(messages[:first], tokenize=False, add_generation_prompt=True)
                    if first
                    else ""
                )
            except Exception as error:  # jinja2 lets through whatever a template's expressions raise
                raise DatasetError(
                    f"The chat template of the model refuses row {number} of the {split} rows.", why=f"{error}."
                ) from error
        counts = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
        yield from zip(batch, counts[0::2], counts[1::2], strict=True)


def preprocessed(spec: StageSpec, split: str) -> list[dict[str, Any]]:
    """Return one split of the job as this stage wrote it, one {"messages": …} for each row."""
    path = spec.folders[Stage.DATA_PREPROCESS] / "output" / f"{split}.jsonl"
    with path.open("rb") as file:
        return [msgspec.json.decode(line) for line in file]
