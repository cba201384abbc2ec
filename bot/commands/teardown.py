"""`/ft-teardown`: delete an endpoint, which ends its cost; and keep one that nobody uses."""

from bot.access import require_owner
from bot.cards import endpoint as cards
from bot.cards.blocks import input_block, option, search_menu, section
from bot.commands.declaration import Arguments, Command, Parameter
from bot.commands.offers import endpoint_option, offer_endpoints
from bot.forms import Entered, Form, View, opening
from bot.requests import ButtonHandler, Dependencies, Outcome, Request, subject_id
from core.errors import InputError
from core.events import SubjectKind
from core.operations.keep_endpoint import keep_endpoint
from core.operations.tear_down import plan_tear_down, tear_down
from core.records.tables import Endpoint

COMMAND = Command(
    "/ft-teardown",
    "Delete an endpoint, which ends its cost. Its owner or an admin confirms it.",
    (Parameter("endpoint", "the endpoint's name; not needed in its thread", example="my-model-1a2b3c4d"),),
    ("/ft-teardown my-model-1a2b3c4d",),
)


def handle(request: Request, arguments: Arguments, dependencies: Dependencies) -> Outcome:
    """Plan to delete the endpoint; its plan is announced. Without a name, show the form."""
    endpoint = arguments.text("endpoint") or subject_id(request, dependencies.services, SubjectKind.ENDPOINT)
    if not endpoint and request.trigger:
        return opening(FORM, request, dependencies)
    if not endpoint:
        raise InputError("No endpoint is named.", next="`/ft-status` lists them.", field="endpoint")
    plan_tear_down(dependencies.services, request.requester, endpoint)
    return None


def draw(request: Request, entered: Entered, dependencies: Dependencies) -> View:
    """Ask which endpoint is to be deleted."""
    known = dependencies.services.store.find(Endpoint, Endpoint.id == entered.text("endpoint"), limit=1)
    chosen = option(endpoint_option(known[0]).label, known[0].id) if known else None
    return View(
        "Delete an endpoint",
        [
            section("An endpoint is billed by the hour until it is gone. Its model stays registered."),
            input_block("endpoint", "Endpoint", search_menu(chosen, placeholder="Type a part of its name")),
        ],
        submit="Plan it",
    )


def submit(request: Request, entered: Entered, dependencies: Dependencies) -> None:
    """Plan to delete the chosen endpoint; its plan is announced."""
    plan_tear_down(dependencies.services, request.requester, entered.text("endpoint"))


FORM = Form("teardown", draw, submit, offers={"endpoint": offer_endpoints})


def delete(request: Request, dependencies: Dependencies) -> None:
    """Delete the endpoint whose button was pressed and confirmed."""
    services = dependencies.services
    endpoint = services.store.get(Endpoint, request.text)
    require_owner(request.requester.user, endpoint.owner, services.settings.admin_ids, f"delete `{endpoint.id}`")
    tear_down(services, plan_tear_down(services, request.requester, endpoint.id).id, request.requester.user)


def keep(request: Request, dependencies: Dependencies) -> None:
    """Silence the reminders of the endpoint whose button was pressed; that it is kept is announced."""
    services = dependencies.services
    endpoint = services.store.get(Endpoint, request.text)
    require_owner(request.requester.user, endpoint.owner, services.settings.admin_ids, f"keep `{endpoint.id}`")
    keep_endpoint(services, endpoint.id, request.requester.user)


BUTTONS: dict[str, ButtonHandler] = {cards.DELETE: delete, cards.KEEP: keep}
