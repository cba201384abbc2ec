"""Slack's text format: what a person's client makes of typed text, and how it reads in a terminal. Pure."""

import html
import re
from collections.abc import Mapping

_TOKEN = re.compile(r"<[@#!][^<>]+>")
_URL = re.compile(r"\bhttps?://[^\s<>|]+[^\s<>|.,;:!?)\]}'\"]")
_LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_CODE = re.compile(r"```(.*?)```|`([^`\n]+)`", re.DOTALL)
_MARKS = re.compile(r"(?<![\w*])([*_~])(?=\S)([^*~\n]*?\S)\1(?![\w*])")
_MARKDOWN_BOLD = re.compile(r"\*\*(?=\S)(.+?)\*\*")


def typed(text: str, names: Mapping[str, str]) -> str:
    """Return what Slack sends for text that a person typed: @names as ids, links in <>, & < > escaped.

    `names` maps names to user ids. <@U…>, <#C…> and <!here> are kept as they are.
    """
    for name, identifier in sorted(names.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"(?<![\w<@])@{re.escape(name)}\b", f"<@{identifier}>", text)
    parts, end = [], 0
    for token in _TOKEN.finditer(text):
        parts += [_escaped(text[end : token.start()]), token.group()]
        end = token.end()
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return _URL.sub(lambda url: f"<{url.group()}>", html.escape(text, quote=False))


def plain(text: str, names: Mapping[str, str]) -> str:
    """Return text as a person reads it: without marks, with names for ids. `names` maps ids to names."""
    kept: list[str] = []

    def keep(code: re.Match[str]) -> str:
        kept.append(code.group(1).strip("\n") if code.group(1) is not None else code.group(2))
        return f"\0{len(kept) - 1}\0"

    text = _LINK.sub(lambda link: _read_link(link, names), _CODE.sub(keep, text))
    for pattern, group in ((_MARKDOWN_BOLD, r"\1"), (_MARKS, r"\2"), (_MARKS, r"\2")):
        text = pattern.sub(group, text)
    return html.unescape(re.sub(r"\0(\d+)\0", lambda place: kept[int(place.group(1))], text))


def _read_link(link: re.Match[str], names: Mapping[str, str]) -> str:
    target, label = link.groups()
    if target[0] in "@#":
        return f"{target[0]}{label or names.get(target[1:], target[1:])}"
    if target[0] == "!":
        return _read_special(target[1:], label)
    return f"{label} ({target})" if label and label != target else target


def _read_special(target: str, label: str | None) -> str:
    """Return what <!date^…|fallback> and <!here> say."""
    return label or f"@{target.split('^')[0]}"
