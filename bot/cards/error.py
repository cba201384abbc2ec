"""The error card: what happened, why, and what to do next; never an exception's own text."""

import re

from bot.cards.blocks import Card, context, section
from bot.cards.untrusted import clip, escape, neutralise
from core.errors import AzureError, UserError

_OUR_MENTION = re.compile(r"&lt;@\u2060?([UW][A-Z0-9]{2,20})&gt;")


def error_card(error: UserError) -> Card:
    """Show an error that a person can do something about."""
    parts = [f":no_entry: *{_shown(error.what, 900)}*", _shown(error.why, 900), _shown(error.next, 900)]
    azure = ""
    if isinstance(error, AzureError):
        known = (("code", error.code), ("request id", error.request_id))
        azure = " · ".join(f"Azure's {name} {_shown(value, 120)}" for name, value in known if value)
    return Card.of(_shown(str(error), 1500), [section("\n".join(part for part in parts if part)), context(azure)])


def unexpected_card(id_: str) -> Card:
    """Show that something broke that nobody foresaw; the log has the rest under the same id."""
    text = f"Something unexpected went wrong. The log has it under `{id_}`; show that to who runs this bot."
    return Card.of(text, [section(f":warning: {text}")])


def _shown(text: str, limit: int) -> str:
    """Return an error's sentence: foreign parts of it harmless, our own mentions of people kept."""
    return _OUR_MENTION.sub(r"<@\1>", escape(neutralise(clip(text, limit))))
