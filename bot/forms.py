"""Modals declared once: how one is drawn, what it offers while a person types, and what its submission does.

An input is known by one name, which is its block_id, its action_id, and the `field` of the error that is marked at it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bot.cards.blocks import Block, Card, actions, button, section
from bot.cards.error import error_card
from bot.cards.untrusted import clip
from bot.requests import Dependencies, Json, Opening, Outcome, Request, place_of
from core.errors import ConflictError, UserError

REOPEN = "form_reopen"
PATIENCE = 0.8
"""Seconds that a submission may take to be refused at its fields; Slack waits for three."""
MAX_ERROR = 2_000
MAX_VALUE = 2_000
"""Characters of a button's value (docs.slack.dev/reference/block-kit/block-elements/button-element)."""


@dataclass(frozen=True)
class Entered:
    """What a person entered, by the inputs' names, several choices a line each; `state` is the form's own."""

    values: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return what was entered; empty when nothing was."""
        return self.values.get(name, "").strip()


class _Again(msgspec.Struct):
    """What the button holds that opens a form again."""

    form: str
    values: dict[str, str]


@dataclass(frozen=True)
class Option:
    """One choice that a menu offers while a person types."""

    label: str
    value: str


@dataclass(frozen=True)
class View:
    """What a modal shows; `submit` empty: it has nothing to submit. `state` comes back with what is entered."""

    title: str
    blocks: Sequence[Block]
    submit: str = "Next"
    state: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """A modal: `draw` may read only what is at hand, because Slack waits no longer than three seconds.

    `submit` raises `InputError` whose `field` names the input that is wrong. `offers` say what an input's menu shows
    for what was typed; `redraws` are the inputs and buttons whose change draws the form anew.
    """

    name: str
    draw: Callable[[Request, Entered, Dependencies], View]
    submit: Callable[[Request, Entered, Dependencies], Card | None]
    offers: Mapping[str, Callable[[str, Entered, Dependencies], Sequence[Option]]] = field(default_factory=dict)
    redraws: frozenset[str] = frozenset()


def opening(
    form: Form, request: Request, dependencies: Dependencies, values: Mapping[str, str] | None = None
) -> Opening:
    """Return the modal to be shown to who asked, with `values` filled in."""
    entered = Entered(values or {})
    return Opening(as_json(form, form.draw(request, entered, dependencies), request))


def as_json(form: Form, view: View, request: Request) -> dict[str, Any]:
    """Return a view as Slack takes it; it carries where it was opened."""
    where = request.requester
    place = {"channel": where.channel, "thread": where.thread, "state": dict(view.state)}
    drawn: dict[str, Any] = {
        "type": "modal",
        "callback_id": form.name,
        "private_metadata": json.dumps(place),
        "title": _plain(view.title, 24),
        "close": _plain("Cancel", 24),
        "blocks": list(view.blocks),
    }
    return {**drawn, "submit": _plain(view.submit, 24)} if view.submit else drawn


def entered_in(view: Json) -> Entered:
    """Return what a person has entered in a view."""
    values = {}
    for block in ((view.get("state") or {}).get("values") or {}).values():
        for name, held in block.items():
            values[name] = _held(held)
    state = place_of(view).get("state")
    return Entered(values, state if isinstance(state, dict) else {})


def waiting_view(view: Json) -> dict[str, Any]:
    """Return what a modal shows whose submission is still being checked."""
    said = "Still checking with Azure. You may close this: what comes of it appears in the channel."
    return {
        "type": "modal",
        "title": view["title"],
        "close": _plain("Close", 24),
        "blocks": [section(f":hourglass_flowing_sand: {said}")],
    }


def marked(view: Json, error: UserError) -> dict[str, str]:
    """Return an error by the block_id of the input that it is about, or of the first one."""
    names = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    named = getattr(error, "field", "")
    return {named if named in names else names[0]: clip(str(error), MAX_ERROR)}


def late_card(form: Form, entered: Entered, error: UserError) -> Card:
    """Show an error that came when the modal was gone, with a button that opens it again as it was filled in."""
    card = error_card(error)
    filled = {name: text for name, text in entered.values.items() if text}
    value = msgspec.json.encode(_Again(form.name, filled)).decode()
    if len(value) > MAX_VALUE:
        return card
    again = actions(button("Open the form again", REOPEN, value))
    return Card.of(card.text, [*card.blocks, again])


def reopener(forms: Mapping[str, Form]) -> Callable[[Request, Dependencies], Outcome]:
    """Return the handler of the button that opens a form again."""

    def reopen(request: Request, dependencies: Dependencies) -> Outcome:
        try:
            again = msgspec.json.decode(request.text, type=_Again)
            form = forms[again.form]
        except (msgspec.DecodeError, KeyError) as error:
            raise ConflictError("This button opens a form no more.", next="Type the command again.") from error
        return opening(form, request, dependencies, again.values)

    return reopen


def _held(held: Json) -> str:
    """Return what one input element holds."""
    if held.get("selected_options") is not None:
        return "\n".join(option["value"] for option in held["selected_options"])
    if held.get("selected_option"):
        return str(held["selected_option"]["value"])
    for name in ("value", "selected_user", "selected_channel", "selected_conversation", "selected_date"):
        if held.get(name) is not None:
            return str(held[name])
    return ""


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": clip(text, limit), "emoji": True}
