"""The Slack app's manifest, as `doctor` and the local workspace read it."""

from dataclasses import dataclass
from pathlib import Path

import yaml

_PLACES = (Path(__file__).parent / "manifest.yml", Path(__file__).parent.parent / "manifest.yml")


@dataclass(frozen=True)
class Manifest:
    """What the app is allowed, which commands it has, and how it is reached."""

    name: str
    bot_scopes: frozenset[str]
    commands: tuple[str, ...]
    bot_events: tuple[str, ...]
    display_name: str
    socket_mode: bool


def manifest_path() -> Path:
    """Return where manifest.yml lies: in the installed package, or at the top of a checkout."""
    return next(place for place in _PLACES if place.is_file())


def read_manifest(path: Path | None = None) -> Manifest:
    """Return the app's manifest, or the one at `path`."""
    document = yaml.safe_load((path or manifest_path()).read_text(encoding="utf-8"))
    return Manifest(
        name=document["display_information"]["name"],
        bot_scopes=frozenset(document["oauth_config"]["scopes"]["bot"]),
        commands=tuple(command["command"] for command in document["features"]["slash_commands"]),
        bot_events=tuple(document["settings"]["event_subscriptions"]["bot_events"]),
        display_name=document["features"]["bot_user"]["display_name"],
        socket_mode=document["settings"]["socket_mode_enabled"],
    )
