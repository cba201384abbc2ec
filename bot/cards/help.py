"""What can be typed, from the commands' own declarations."""

from collections.abc import Iterable

from bot.cards.blocks import Card, context, divider, section
from bot.cards.untrusted import clip, escape
from bot.commands.declaration import Command, Parameter


def help_card(commands: Iterable[Command]) -> Card:
    """List all commands, one line each."""
    lines = [f"`{escape(command.usage)}`\n{escape(command.summary)}" for command in commands]
    return Card.of(
        "What I can do",
        [
            section("*What I can do*"),
            *[section(line) for line in lines],
            divider(),
            context(
                "Write parameters in order or as `name=value`. `/ft-help COMMAND` tells more.",
                "Slash commands do not work in threads: mention me there with the same words (`@bot status`). Anything "
                "else you say to me in the thread of a job or an endpoint is a question to its model.",
            ),
        ],
    )


def command_card(command: Command) -> Card:
    """Explain one command."""
    parameters = "\n".join(_parameter(one) for one in command.parameters)
    more = f"\n• `name=value` – {escape(command.open)}" if command.open else ""
    examples = "\n".join(f"`{escape(example)}`" for example in command.examples)
    return Card.of(
        f"How to use {command.name}",
        [
            section(f"*{command.name}* – {escape(command.summary)}\n`{escape(command.usage)}`"),
            section(clip(parameters + more, 2900)) if parameters or more else None,
            section(f"*For example*\n{examples}") if examples else None,
        ],
    )


def _parameter(one: Parameter) -> str:
    told = [
        f"one of {', '.join(one.choices)}" if one.choices else "",
        "required" if one.required else "",
        f"default {one.default}" if one.default else "",
        f"for example {one.example}" if one.example else "",
    ]
    said = "; ".join(part for part in told if part)
    return f"• `{one.name}` – {escape(one.help)}" + (f" ({escape(said)})" if said else "")
