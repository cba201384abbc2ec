"""Shows a Slack channel in the terminal as it happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread

from rich.console import Console
from rich.emoji import Emoji
from rich.text import Text

from bot.local_slack.person import Message, Person

_MARGIN = 14


class Screen:
    """Prints new messages whole, and of a message that changes only the lines that are new."""

    def __init__(self, console: Console, person: Person) -> None:
        self._console = console
        self._person = person
        self._shown: dict[str, str] = {}
        self._printing = Lock()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Print what the person sees, for the length of the block and to its last message."""
        stop = Event()
        thread = Thread(target=self._follow, args=(stop,), name="screen")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def heading(self, title: str) -> None:
        """Print what comes next."""
        self._catch_up()
        self._console.print()
        self._console.rule(Text(title, style="bold"), align="left")

    def typed(self, author: str, command: str) -> None:
        """Print a slash command, which Slack shows to nobody else."""
        self._catch_up()
        self._print(author, command, thread=False, style="bold")

    def note(self, text: str) -> None:
        """Print what happens outside of Slack."""
        self._catch_up()
        self._console.print(Text(text, style="italic cyan"))

    def failed(self, reason: str, log: Path) -> None:
        """Print why the story ends here."""
        self._catch_up()
        self._console.print(Text(f"\nThe demo stops here: {reason}\nThe bot's log is {log}", style="red"))

    def _follow(self, stop: Event) -> None:
        for messages in self._person.follows(stop):
            with self._printing:
                for message in messages:
                    self._show(message)

    def _catch_up(self) -> None:
        """Print what has happened until now, so that things stand in the order in which they happened."""
        now = Event()
        now.set()
        self._follow(now)

    def _show(self, message: Message) -> None:
        words = message.words().strip()
        if message.streaming or not words:
            return
        before = self._shown.get(message.ts)
        if before == words:
            return
        self._shown[message.ts] = words
        in_thread = message.thread != message.ts
        if before is None:
            self._print(message.author, words, thread=in_thread)
            return
        seen = set(before.splitlines())
        changed = [line for line in words.splitlines() if line.strip() and line not in seen]
        if changed:
            self._print("", "\n".join(changed), thread=in_thread, style="dim")

    def _print(self, author: str, words: str, *, thread: bool, style: str = "") -> None:
        margin = _MARGIN + (4 if thread else 0)
        first = Text(f"{'  ↳ ' if thread else ''}{author:<{_MARGIN}}"[: margin - 1].ljust(margin), style="bold green")
        for number, line in enumerate(Emoji.replace(words).splitlines()):
            start = first if number == 0 else Text(" " * margin)
            self._console.print(start + Text(line, style=style), soft_wrap=False, highlight=False)
