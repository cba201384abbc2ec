"""Small checks of JSON values, combined into Block Kit's rules; each yields Slack-like messages with pointers."""

from collections.abc import Callable, Iterator
from typing import Any

Check = Callable[[Any, str], Iterator[str]]
"""Given a value and its JSON pointer, yields what is wrong with it."""


def problem(text: str, pointer: str) -> str:
    """Return a message as response_metadata.messages has it."""
    return f"[ERROR] {text} [json-pointer:{pointer}]"


def string(longest: int, shortest: int = 1) -> Check:
    """Return a check of a string's length in characters."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield problem("must provide a string", pointer)
        elif len(value) > longest:
            yield problem(f"must be less than {longest + 1} characters", pointer)
        elif len(value) < shortest:
            yield problem(f"must be more than {shortest - 1} characters", pointer)

    return check


def one_of(*allowed: Any) -> Check:
    """Return a check that a value is one of a few."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if value not in allowed:
            yield problem(f"invalid value: expected one of {', '.join(map(str, allowed))}", pointer)

    return check


def number(value: Any, pointer: str) -> Iterator[str]:
    """Check that a value is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield problem("must provide a number", pointer)


def boolean(value: Any, pointer: str) -> Iterator[str]:
    """Check that a value is true or false."""
    if not isinstance(value, bool):
        yield problem("must provide a boolean", pointer)


def anything(value: Any, pointer: str) -> Iterator[str]:
    """Accept any value."""
    yield from ()


def items(check: Check, most: int, fewest: int = 1, unique: str | None = None) -> Check:
    """Return a check of a list; `unique` names a field that no two of its objects may share."""

    def check_list(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield problem("must provide an array", pointer)
            return
        if len(value) > most:
            yield problem(f"no more than {most} items allowed", pointer)
        if len(value) < fewest:
            yield problem(f"no fewer than {fewest} items allowed", pointer)
        seen: set[str] = set()
        for index, entry in enumerate(value):
            yield from check(entry, f"{pointer}/{index}")
            name = entry.get(unique) if unique and isinstance(entry, dict) else None
            if isinstance(name, str) and name in seen:
                yield problem(f"`{unique}` {name} already exists", f"{pointer}/{index}/{unique}")
            seen.add(str(name))

    return check_list


def record(required: dict[str, Check], optional: dict[str, Check] | None = None, any_of: tuple[str, ...] = ()) -> Check:
    """Return a check of an object's fields; at least one of `any_of` must be there, and none that is not named."""
    fields = {**required, **(optional or {})}

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield problem("must provide an object", pointer)
            return
        for name in required.keys() - value.keys():
            yield problem(f"missing required field: {name}", pointer)
        if any_of and not any(value.get(name) for name in any_of):
            yield problem(f"missing required field: {' or '.join(any_of)}", pointer)
        for name, entry in value.items():
            if name not in fields:
                yield problem(f"no more fields allowed: {name}", pointer)
            elif entry is not None or name in required:
                yield from fields[name](entry, f"{pointer}/{name}")

    return check


def by_type(kinds: dict[str, Check]) -> Check:
    """Return a check of an object whose `type` says which rules hold for its other fields."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            yield problem(f"unsupported type: {kind}", f"{pointer}/type")
        else:
            yield from kinds[kind]({name: entry for name, entry in value.items() if name != "type"}, pointer)

    return check
