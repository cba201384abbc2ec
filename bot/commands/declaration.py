"""A command declared once: its parameters drive the parser, `/ft-help` and the texts of its errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rapidfuzz import process

from bot.cards.untrusted import clip
from bot.commands.words import Word, plain, words
from core.errors import InputError

MAX_VALUE = 1_000


class Kind(StrEnum):
    """What a parameter's value may be."""

    TEXT = "text"
    INTEGER = "whole number"
    NUMBER = "number"
    PERCENT = "percent"
    CHOICE = "choice"


@dataclass(frozen=True)
class Parameter:
    """One parameter; those declared `positional` may be given without their name, in the order of declaration."""

    name: str
    help: str
    kind: Kind = Kind.TEXT
    positional: bool = True
    required: bool = False
    default: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arguments:
    """What was typed: declared parameters by name, and what an open command takes besides."""

    values: Mapping[str, str]
    more: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a parameter as text; empty when it was not given and has no default."""
        return self.values.get(name, "")

    def integer(self, name: str) -> int | None:
        """Return a parameter as a whole number; None when it was not given."""
        return int(self.values[name]) if self.values.get(name) else None

    def number(self, name: str) -> float | None:
        """Return a parameter as a number, percent signs dropped; None when it was not given."""
        return float(self.values[name].rstrip("% ")) if self.values.get(name) else None


@dataclass(frozen=True)
class Command:
    """A slash command; `rest` names the parameter that takes the remaining text as it is, `open` lets others pass."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...] = ()
    examples: tuple[str, ...] = ()
    rest: str = ""
    open: str = ""
    """What other `key=value` pairs mean; empty: there are none."""

    @property
    def word(self) -> str:
        """Return the command's name in a mention: `status` for `/ft-status`."""
        return self.name.removeprefix("/ft-")

    @property
    def usage(self) -> str:
        """Return how the command is written."""
        shown = [f"{parameter.name}" if parameter.required else f"[{parameter.name}]" for parameter in self.parameters]
        more = ["[name=value …]"] if self.open else []
        return " ".join([self.name, *shown, *more])

    def parse(self, text: str) -> Arguments:
        """Return what `text` says.

        Raises InputError that names the parameter, what it takes, and the nearest right name for a misspelt one.
        """
        text = plain(text)
        values: dict[str, str] = {}
        more: dict[str, str] = {}
        free = [parameter.name for parameter in self.parameters if parameter.positional]
        for word in self._words(text, free):
            name = self._named(word, free, values)
            if name in values or name in more:
                raise self._wrong(f"`{name}` is given twice.", name)
            (values if self._declared(name) else more)[name] = word.value
        self._complete(values)
        return Arguments(values, more)

    def _words(self, text: str, free: list[str]) -> list[Word]:
        """Split `text`; where the rest parameter comes next, everything that follows is one word.

        Other parameters of such a command may be named before the rest, `temperature=0 What ...`.
        """
        if not self.rest:
            return words(text)
        found: list[Word] = []
        before = free.index(self.rest)
        while text:
            first, after = (*text.split(maxsplit=1), "")[:2]
            name, equals, value = first.partition("=")
            if equals and self._declared(name) and name != self.rest:
                found.append(Word(value, name, len(found)))
            elif before:
                found.append(Word(first, "", len(found)))
                before -= 1
            else:
                return [*found, Word(text, "", len(found))]
            text = after
        return found

    def _named(self, word: Word, free: list[str], values: Mapping[str, str]) -> str:
        """Return the parameter that `word` is for."""
        if not word.key:
            left = [name for name in free if name not in values]
            if not left:
                raise self._wrong(f"“{clip(word.value, 60)}” is one word too many.", "")
            return left[0]
        if self._declared(word.key) or self.open:
            return word.key
        names = [parameter.name for parameter in self.parameters]
        nearest = process.extractOne(word.key, names, score_cutoff=60)
        hint = f"Did you mean `{nearest[0]}`? " if nearest else ""
        raise InputError(
            f"`{self.name}` has no parameter `{clip(word.key, 40)}`.",
            next=f"{hint}It takes: {', '.join(names) or 'nothing'}.",
            field=word.key,
        )

    def _complete(self, values: dict[str, str]) -> None:
        """Check the values' types, put in the defaults, and refuse what is missing."""
        for parameter in self.parameters:
            value = values.get(parameter.name, "")
            if value:
                values[parameter.name] = self._checked(parameter, value)
            elif parameter.required:
                raise self._wrong(f"`{parameter.name}` is missing: {parameter.help}.", parameter.name)
            elif parameter.default:
                values[parameter.name] = parameter.default

    def _checked(self, parameter: Parameter, value: str) -> str:
        """Return `value` as `parameter` takes it."""
        if len(value) > MAX_VALUE and parameter.name != self.rest:
            raise self._wrong(f"`{parameter.name}` is {len(value):,} characters long.", parameter.name)
        if parameter.kind is Kind.CHOICE:
            folded = value.casefold()
            if folded in parameter.choices:
                return folded
            nearest = process.extractOne(folded, parameter.choices, score_cutoff=60)
            hint = f"Did you mean `{nearest[0]}`? " if nearest else ""
            raise InputError(
                f"`{parameter.name}` cannot be “{clip(value, 60)}”.",
                next=f"{hint}It is one of: {', '.join(parameter.choices)}.",
                field=parameter.name,
            )
        if parameter.kind is not Kind.TEXT and not _is_number(value, parameter.kind):
            raise self._wrong(f"`{parameter.name}` takes a {parameter.kind}, not “{clip(value, 60)}”.", parameter.name)
        return value

    def _declared(self, name: str) -> bool:
        return any(parameter.name == name for parameter in self.parameters)

    def _wrong(self, what: str, field: str) -> InputError:
        example = f" For example: `{self.examples[0]}`" if self.examples else ""
        return InputError(what, next=f"`{self.usage}`{example}", field=field)


def _is_number(value: str, kind: Kind) -> bool:
    """Return whether `value` is a number of this kind; a percent is above 0 and at most 100."""
    if not value.isascii() or len(value) > 30 or "_" in value:
        return False
    try:
        number = int(value) if kind is Kind.INTEGER else float(value.rstrip("% ") if kind is Kind.PERCENT else value)
    except ValueError:
        return False
    return 0 < number <= 100 if kind is Kind.PERCENT else abs(number) < 1e18
