"""The error card: what happened, why, and what to do next; never an exception's own text."""

import re

from bot.cards.blocks import Card, context, section
from bot.cards.untrusted import clip, escape, mrkdwn, neutralise
from core.errors import AccessError, AzureError, ConflictError, UserError

_MENTION = re.compile("&lt;\u2060?@\u2060?([UW][A-Z0-9]{2,20})&gt;")
_OUR_WORDS = (AccessError, ConflictError)
"""Errors that name who may, or who did, and quote nobody else."""


def error_card(error: UserError) -> Card:
    """Show an error that a person can do something about."""
    what, why, next_ = (_shown(part, error) for part in (error.what, error.why, error.next))
    azure = ""
    if isinstance(error, AzureError):
        known = (("code", error.code), ("request id", error.request_id))
        azure = " · ".join(f"Azure's {name} {mrkdwn(value, 120)}" for name, value in known if value)
    lines = [f":no_entry: *{what}*", why, next_]
    return Card.of(
        " ".join(part for part in (what, why, next_) if part),
        [section("\n".join(line for line in lines if line)), context(azure)],
    )


def unexpected_card(id_: str) -> Card:
    """Show that something broke that nobody foresaw; the log has the rest under the same id."""
    text = f"Something unexpected went wrong. The log has it under `{id_}`; show that to who runs this bot."
    return Card.of(text, [section(f":warning: {text}")])


def _shown(text: str, error: UserError) -> str:
    """Return an error's sentence: foreign parts of it harmless, our own mentions of people kept."""
    shown = escape(neutralise(clip(text, 600)))
    shown = shown if len(shown) <= 950 else clip(shown, 950)
    return _MENTION.sub(r"<@\1>", shown) if isinstance(error, _OUR_WORDS) else shown
