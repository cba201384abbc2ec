"""`/ft-help`: what can be typed."""

from collections.abc import Sequence

from rapidfuzz import process

from bot.cards.blocks import Card
from bot.cards.help import command_card, help_card
from bot.commands.declaration import Arguments, Command, Parameter
from bot.requests import Dependencies, Handler, Request
from core.errors import InputError

COMMAND = Command(
    "/ft-help",
    "List the commands, or explain one.",
    (Parameter("command", "the command to explain", example="launch"),),
    ("/ft-help launch",),
)


def handler(commands: Sequence[Command]) -> Handler:
    """Return the handler that knows `commands`."""

    def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> Card:
        named = arguments.text("command").casefold().removeprefix("/").removeprefix("ft-")
        if not named:
            return help_card(commands)
        found = {command.word: command for command in commands}
        if named in found:
            return command_card(found[named])
        nearest = process.extractOne(named, list(found), score_cutoff=50)
        raise InputError(
            f"There is no command `{named[:40]}`.",
            next=f"Did you mean `/ft-{nearest[0]}`?" if nearest else "`/ft-help` lists them.",
            field="command",
        )

    return handle
