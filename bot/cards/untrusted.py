"""Text from models, datasets, logs and people, made harmless before it is shown in Slack.

Slack reads `<@U1>`, `<!channel>`, `<https://...>`, bare URLs and Markdown links in what a bot posts: a model could ping
everybody or leak a conversation through a link that Slack unfurls. What is shown stays readable: an invisible word
joiner is put inside each of these forms, so that none of them is one any more.
"""

import re
import unicodedata

WORD_JOINER = "\u2060"
ELLIPSIS = "…"
_KEPT_CONTROLS = "\n\t"
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co"})
# Each pattern looks only backwards, so that text neutralised in pieces is the text neutralised at once.
_LIVE = re.compile(
    r"(?<=<)[@!#\w/]"  # <@U1>, <!channel>, <#C1>, <https://...>
    r"|(?<=[@＠])\w"  # @channel
    r"|(?<=\])[(\[:]"  # [text](target), ![image](target), [text][reference], [reference]: target
    r"|(?<=:)//?"  # https://
    r"|(?<=mailto:)\S"
    r"|(?<=www)\."
    r"|(?<=tel:)\S",
    re.IGNORECASE,
)


def printable(text: str) -> str:
    """Return `text` without control, bidirectional, invisible and surrogate characters; newlines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character
        for character in text
        if character in _KEPT_CONTROLS or unicodedata.category(character) not in _DROPPED
    )


def neutralise(text: str) -> str:
    """Return `text` looking the same, with no mention, link or image left that Slack would act on.

    For any `a` and `b` of whole lines or words, `neutralise(a + b)` starts with `neutralise(a)`: a stream may send
    what was added to it.
    """
    return _LIVE.sub(lambda found: WORD_JOINER + found.group(), printable(text))


def escape(text: str) -> str:
    """Return `text` with the three characters escaped that are markup in Slack's mrkdwn."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def clip(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters, an ellipsis standing for what was cut."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def mrkdwn(text: object, limit: int = 300) -> str:
    """Return foreign text for use inside a mrkdwn field: harmless, on one line, at most about `limit` characters."""
    return escape(clip(" ".join(neutralise(str(text)).split()), limit))


def code(text: object, limit: int = 150) -> str:
    """Return foreign text as inline code."""
    shown = mrkdwn(text, limit).replace("`", "ˋ")
    return f"`{shown}`" if shown else "–"


def code_block(lines: str, limit: int = 2600) -> str:
    """Return foreign lines as a code block whose end is kept when they are too many."""
    shown = neutralise(lines).replace("```", "ˋˋˋ")
    shown = shown if len(shown) <= limit else ELLIPSIS + shown[-limit:]
    escaped = escape(shown)
    while len(escaped) > limit + 200:  # escaping may make it longer than a section may be
        shown = ELLIPSIS + shown[len(shown) // 4 + 1 :]
        escaped = escape(shown)
    return f"```\n{escaped}\n```"
