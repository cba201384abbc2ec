"""Blocks as a person reads them in a terminal, and what they can press. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.local_slack.model import Json
from bot.local_slack.mrkdwn import plain

_MARKS = {"complete": "✓", "in_progress": "…", "pending": "·", "error": "✗"}
Names = Mapping[str, str]


@dataclass(frozen=True)
class Control:
    """Something that can be pressed or chosen: a button, or one option of a menu."""

    label: str
    block_id: str
    element: Json
    option: Json | None = None

    @property
    def action_id(self) -> str:
        """Return the id under which the app knows it."""
        return str(self.element.get("action_id", ""))


def lines(blocks: list[Json], names: Names) -> list[str]:
    """Return the blocks as lines of plain text; `names` maps ids of people and channels to names."""
    return [line for block in blocks for text in _block(block, names) for line in text.split("\n")]


def controls(blocks: list[Json]) -> list[Control]:
    """Return everything in the blocks that can be pressed or chosen, in reading order."""
    return list(_controls(blocks))


def inputs(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Yield a view's elements that hold a value, each with its block."""
    for block in blocks:
        if block["type"] == "input":
            yield block, block["element"]
        for element in [*([block["accessory"]] if block.get("accessory") else []), *_actions(block)]:
            if element["type"] not in ("button", "workflow_button", "overflow", "image"):
                yield block, element


def _actions(block: Json) -> list[Json]:
    return block["elements"] if block["type"] == "actions" else []


def _text(value: Any, names: Names) -> str:
    """Return a text object, or a string, as it reads."""
    if not isinstance(value, dict):
        return str(value or "")
    return plain(value["text"], names) if value.get("type") == "mrkdwn" else str(value.get("text", ""))


def _block(block: Json, names: Names) -> Iterator[str]:
    kind = block["type"]
    if kind == "header":
        yield _text(block["text"], names)
    elif kind == "section":
        if block.get("text"):
            yield _text(block["text"], names)
        for field in block.get("fields", []):
            yield _text(field, names).replace("\n", ": ", 1)
        if block.get("accessory"):
            yield from _row([block["accessory"]], names)
    elif kind in ("actions", "context_actions"):
        yield from _row(block["elements"], names)
    elif kind == "context":
        yield " ".join(_text(e, names) if "text" in e else str(e.get("alt_text", "")) for e in block["elements"])
    elif kind == "divider":
        yield "─" * 24
    elif kind == "markdown":
        yield plain(block["text"], names)
    elif kind == "input":
        yield f"{_text(block['label'], names)}:"
    elif kind in ("table", "data_table"):
        yield from _table(block["rows"])
    elif kind == "data_visualization":
        yield from _chart(block)
    elif kind == "plan":
        yield str(block["title"])
        yield from (_task(task, names) for task in block.get("tasks", []))
    elif kind == "task_card":
        yield _task(block, names)
    elif kind == "rich_text":
        yield _rich(block, names)
    else:
        yield from _composite(block, names)


def _composite(block: Json, names: Names) -> Iterator[str]:
    """Return the texts of card, container, carousel, image, video, file and alert."""
    for name in ("title", "subtitle", "text", "body", "alt_text", "subtext"):
        if block.get(name):
            yield _text(block[name], names)
    for inner in (*block.get("elements", []), *block.get("child_blocks", [])):
        yield from _block(inner, names)
    yield from _row(block.get("actions", []), names)


def _row(elements: list[Json], names: Names) -> Iterator[str]:
    shown = [f"[{control.label}]" for control in _elements("", elements)]
    shown += [str(element.get("alt_text", "")) for element in elements if element["type"] == "image"]
    if shown:
        yield " ".join(shown)


def _cell(cell: Json) -> str:
    if cell["type"] == "raw_text":
        return str(cell["text"])
    return str(cell.get("text", cell.get("value", ""))) if cell["type"] == "raw_number" else _rich(cell, {})


def _table(rows: list[list[Json]]) -> Iterator[str]:
    texts = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=False)]
    for row in texts:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)).rstrip()


def _chart(block: Json) -> Iterator[str]:
    yield str(block["title"])
    chart = block["chart"]
    series = chart.get("series") or [{"name": "", "data": chart.get("segments", [])}]
    for one in series:
        points = ", ".join(f"{point['label']}: {point['value']:g}" for point in one["data"])
        yield f"{one['name']}  {points}".strip()


def _task(task: Json, names: Names) -> str:
    more = _rich(task["output"], names) if isinstance(task.get("output"), dict) else str(task.get("output") or "")
    return f"{_MARKS.get(task.get('status', 'pending'), '·')} {task['title']}" + (f" — {more}" if more else "")


def _rich(value: Any, names: Names) -> str:
    """Return rich text: lines of elements with text, links, people and channels."""
    if isinstance(value, list):
        return "".join(_rich(entry, names) for entry in value)
    kind = value.get("type", "")
    if kind == "rich_text":
        return "\n".join(_rich(entry, names) for entry in value["elements"])
    if kind == "rich_text_list":
        return "\n".join(f"• {_rich(entry, names)}" for entry in value["elements"])
    if kind in ("user", "channel"):
        identifier = value[f"{kind}_id"]
        return f"{'@' if kind == 'user' else '#'}{names.get(identifier, identifier)}"
    if kind == "emoji":
        return f":{value['name']}:"
    return (
        str(value.get("text") or value.get("url") or "") if "elements" not in value else _rich(value["elements"], names)
    )


def _controls(blocks: list[Json]) -> Iterator[Control]:
    for block in blocks:
        name = block.get("block_id", "")
        if block["type"] in ("actions", "context_actions"):
            yield from _elements(name, block["elements"])
        elif block["type"] == "section" and block.get("accessory"):
            yield from _elements(name, [block["accessory"]])
        else:
            yield from _elements(name, block.get("actions", []))
            yield from _controls([*block.get("child_blocks", []), *_inner(block)])


def _inner(block: Json) -> list[Json]:
    return block["elements"] if block["type"] == "carousel" else []


def _elements(block_id: str, elements: list[Json]) -> Iterator[Control]:
    for element in elements:
        if element["type"] == "feedback_buttons":
            for side in ("positive_button", "negative_button"):
                yield Control(_text(element[side]["text"], {}), block_id, element, element[side])
        elif element.get("options") or element.get("option_groups"):
            groups = element.get("option_groups") or [element]
            for option in (option for group in groups for option in group["options"]):
                yield Control(_text(option["text"], {}), block_id, element, option)
        elif "text" in element:
            yield Control(_text(element["text"], {}), block_id, element)
