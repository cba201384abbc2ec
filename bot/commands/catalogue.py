"""All commands and buttons, and the words said to the bot that mean one of them."""

from bot.cards.help import help_card
from bot.commands import ask, cancel, data, deploy, help, launch, plans, status, teardown, validate
from bot.commands.declaration import Command
from bot.commands.words import plain
from bot.forms import REOPEN, Form, reopener
from bot.requests import ButtonHandler, Dependencies, Handler, Outcome, Request, subject_id, thread_endpoint
from core.errors import ConflictError, InputError
from core.events import SubjectKind

COMMANDS: dict[str, tuple[Command, Handler]] = {
    module.COMMAND.word: (module.COMMAND, module.handle)
    for module in (validate, data, launch, status, cancel, deploy, ask, teardown)
}
ALL: tuple[Command, ...] = (*(command for command, _ in COMMANDS.values()), help.COMMAND)
COMMANDS[help.COMMAND.word] = (help.COMMAND, help.handler(ALL))

FORMS: dict[str, Form] = {module.FORM.name: module.FORM for module in (teardown,)}
"""The modals, by their callback_id."""

BUTTONS: dict[str, ButtonHandler] = {
    action: handler
    for module in (validate, launch, status, cancel, deploy, ask, teardown, plans)
    for action, handler in module.BUTTONS.items()
}
BUTTONS[REOPEN] = reopener(FORMS)


def run_command(word: str, request: Request, dependencies: Dependencies) -> Outcome:
    """Do what a slash command says; raises UserError."""
    command, handle = COMMANDS[word]
    return handle(request, command.parse(request.text), dependencies)


def run_words(request: Request, dependencies: Dependencies) -> Outcome:
    """Do what words said to the bot mean: a command, a question to the model of the thread, or else help.

    Raises UserError.
    """
    first, rest = (*request.text.split(maxsplit=1), "", "")[:2]
    word = first.casefold().removeprefix("/").removeprefix("ft-")
    endpoint = thread_endpoint(request, dependencies.services)
    if word in COMMANDS:
        command, handle = COMMANDS[word]
        try:
            arguments = command.parse(rest)
        except InputError:
            # "Cancel means what?" is a question, not a command with a wrong parameter.
            if endpoint is None or not request.text.rstrip().endswith("?"):
                raise
        else:
            return handle(request, arguments, dependencies)
    if endpoint is None and request.text.strip() and subject_id(request, dependencies.services, SubjectKind.JOB):
        raise ConflictError(
            "The model of this thread is not deployed.",
            next="Say `deploy` to me here once the job is completed, or `status` to see how it goes.",
        )
    if endpoint is None or not request.text.strip():
        return help_card(ALL)
    dependencies.conversation.answer(request.requester, request.answer_thread, endpoint, plain(request.text))
    return None
