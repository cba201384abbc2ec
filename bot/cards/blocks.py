"""Block Kit as plain functions; each keeps Slack's limits by construction (docs.slack.dev/reference/block-kit/blocks).

Text arguments are mrkdwn that is already safe: foreign text goes through `bot.cards.untrusted` first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cards.untrusted import clip

Block = dict[str, Any]
Element = dict[str, Any]

MAX_BLOCKS = 50
MAX_SECTION = 3_000
MAX_FIELDS = 10
MAX_FIELD = 2_000
MAX_CONTEXT = 10
MAX_ACTIONS = 25
MAX_BUTTON = 75
MAX_VALUE = 2_000
MAX_HEADER = 150
MAX_FALLBACK = 3_000
MAX_MARKDOWN = 12_000
MAX_OPTIONS = 100
MAX_OPTION = 75
MAX_LABEL = 2_000
MAX_PLACEHOLDER = 150


@dataclass(frozen=True)
class Card:
    """A message that shows something: its blocks, and the text that notifications and screen readers get."""

    text: str
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, text: str, blocks: Iterable[Block | None]) -> "Card":
        """Build a card, dropping absent blocks and what exceeds Slack's 50."""
        present = [block for block in blocks if block is not None]
        return cls(clip(text, MAX_FALLBACK), tuple(present[:MAX_BLOCKS]))

    def message(self) -> dict[str, Any]:
        """Return the arguments of chat.postMessage; nothing in it is linked, expanded or unfurled by Slack."""
        return {"text": self.text, "blocks": list(self.blocks)}


def header(text: str) -> Block:
    """Return a headline in plain text."""
    return {"type": "header", "text": _plain(text, MAX_HEADER)}


def section(text: str) -> Block:
    """Return a paragraph."""
    return {"type": "section", "text": _mrkdwn(text or "–", MAX_SECTION)}


def fields(pairs: Sequence[tuple[str, str]]) -> Block | None:
    """Return names and values in two columns; None when there are none."""
    shown = [_mrkdwn(f"*{name}*\n{value or '–'}", MAX_FIELD) for name, value in pairs[:MAX_FIELDS]]
    return {"type": "section", "fields": shown} if shown else None


def context(*texts: str) -> Block | None:
    """Return small grey lines; None when all are empty."""
    shown = [_mrkdwn(text, MAX_SECTION) for text in texts if text][:MAX_CONTEXT]
    return {"type": "context", "elements": shown} if shown else None


def actions(*elements: Element | None) -> Block | None:
    """Return a row of buttons; None when there are none."""
    present = [element for element in elements if element is not None][:MAX_ACTIONS]
    return {"type": "actions", "elements": present} if present else None


def divider() -> Block:
    """Return a line across the message."""
    return {"type": "divider"}


def markdown(text: str) -> Block:
    """Return Markdown as models write it; the text has been neutralised."""
    return {"type": "markdown", "text": clip(text or "–", MAX_MARKDOWN)}


def button(text: str, action: str, value: str, *, style: str = "", confirm: str = "") -> Element:
    """Return a button whose press is `action` on `value`, one of our ids; `confirm` asks before it is sent."""
    element: Element = {
        "type": "button",
        "text": _plain(text, MAX_BUTTON),
        "action_id": action,
        "value": clip(value, MAX_VALUE),
    }
    if style:
        element["style"] = style
    if confirm:
        element["confirm"] = {
            "title": _plain(text, 100),
            "text": _mrkdwn(confirm, 300),
            "confirm": _plain(text, 30),
            "deny": _plain("Not now", 30),
            **({"style": style} if style else {}),
        }
    return element


def option(label: str, value: str) -> Element:
    """Return one choice of a menu; `value` is at most 150 characters long."""
    return {"text": _plain(label, MAX_OPTION), "value": value}


def input_block(
    name: str, label: str, element: Element, *, hint: str = "", optional: bool = False, redraws: bool = False
) -> Block:
    """Return a form's input, known by `name`; with `redraws` its change is told to the app at once."""
    block: Block = {
        "type": "input",
        "block_id": name,
        "label": _plain(label, MAX_LABEL),
        "element": {**element, "action_id": name},
        "optional": optional,
    }
    if hint:
        block["hint"] = _plain(hint, MAX_LABEL)
    return {**block, "dispatch_action": True} if redraws else block


def text_input(value: str = "", *, placeholder: str = "", multiline: bool = False, longest: int = 0) -> Element:
    """Return a field to write into; `longest` is in characters, 0 for Slack's own limit."""
    element: Element = {"type": "plain_text_input", "multiline": multiline}
    if value:
        element["initial_value"] = clip(value, MAX_SECTION)
    if placeholder:
        element["placeholder"] = _plain(placeholder, MAX_PLACEHOLDER)
    return {**element, "max_length": longest} if longest else element


def menu(options: Sequence[Element], value: str = "", *, placeholder: str = "") -> Element:
    """Return a menu of a few fixed choices, the one whose value is `value` chosen."""
    element: Element = {"type": "static_select", "options": list(options[:MAX_OPTIONS])}
    chosen = next((one for one in element["options"] if one["value"] == value), None)
    return _chosen(element, chosen, placeholder)


def search_menu(chosen: Element | None = None, *, placeholder: str = "") -> Element:
    """Return a menu whose choices the app offers while the person types."""
    return _chosen({"type": "external_select", "min_query_length": 0}, chosen, placeholder)


def _chosen(element: Element, chosen: Element | None, placeholder: str) -> Element:
    more: Element = {"initial_option": chosen} if chosen is not None else {}
    return {**element, **more, **({"placeholder": _plain(placeholder, MAX_PLACEHOLDER)} if placeholder else {})}


def _plain(text: str, limit: int) -> Element:
    return {"type": "plain_text", "text": clip(text or "–", limit), "emoji": True}


def _mrkdwn(text: str, limit: int) -> Element:
    # verbatim: Slack shall not turn addresses and names into links by itself.
    return {"type": "mrkdwn", "text": clip(text, limit), "verbatim": True}
