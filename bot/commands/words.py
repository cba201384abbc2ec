"""What a person typed after a command, as words: quotes, Slack's links, mentions and smart punctuation undone."""

import re
from dataclasses import dataclass

from bot.cards.untrusted import printable
from core.errors import InputError

MAX_TEXT = 8_000
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'"})
_LINK = re.compile(r"<([^<>|\s]+)(?:\|([^<>]*))?>")
_KEY = re.compile(r"(?:--)?([A-Za-z][\w-]*)=")
_SCHEME = re.compile(r"^(https?://|mailto:|tel:)")


@dataclass(frozen=True)
class Word:
    """One word: its value, the key before `=` if there was one, and where it starts in the typed text."""

    value: str
    key: str
    start: int


def plain(text: str) -> str:
    """Return typed text as the person typed it: links, mentions and escapes that Slack put in are undone.

    Raises InputError when the text is longer than `MAX_TEXT`.
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"That is {len(text):,} characters; a command takes at most {MAX_TEXT:,}.")
    text = _LINK.sub(_typed, printable(text))
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def words(text: str) -> list[Word]:
    """Split plain text at white space; quotes keep white space together.

    Raises InputError when a double quote is not closed.
    """
    text = text.translate(_QUOTES)
    found: list[Word] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start = at
        key = _KEY.match(text, at)
        at = key.end() if key else at
        value, at = _value(text, at)
        found.append(Word(value, key[1].casefold().replace("-", "_") if key else "", start))
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    """Return the value that starts at `at`, and where it ends; an apostrophe that opens nothing is a letter."""
    quote = text[at] if at < len(text) and text[at] in "\"'" else ""
    if quote:
        end = text.find(quote, at + 1)
        if end >= 0 and (end + 1 == len(text) or text[end + 1].isspace()):
            return text[at + 1 : end], end + 1
        if quote == '"':
            raise InputError('A quote (") is opened and not closed.', next="Close it, or leave it out.")
    end = at
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[at:end], end


def _typed(link: re.Match[str]) -> str:
    """Return what the person typed where Slack put a link or a mention."""
    target, label = link[1], link[2] or ""
    if target[0] in "@#":
        return target[1:]
    if target[0] == "!":
        return f"@{target[1:]}"
    bare = _SCHEME.sub("", target).rstrip("/")
    return label if label and label.rstrip("/") == bare else target
