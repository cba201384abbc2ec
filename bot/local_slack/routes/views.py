"""views.*: modals and the App Home.

From https://docs.slack.dev/reference/methods/views.open and its neighbours.
"""

from bot.local_slack import wire
from bot.local_slack.api import Method
from bot.local_slack.arguments import Arguments
from bot.local_slack.content import read_view
from bot.local_slack.errors import SlackError
from bot.local_slack.limits import Tier
from bot.local_slack.model import Json, View
from bot.local_slack.services import Services
from bot.local_slack.state import VIEW_STACK


def open_view(found: Services, arguments: Arguments) -> Json:
    """views.open."""
    [trigger] = arguments.required("trigger_id")
    body = read_view(arguments, "modal")
    user = found.workspace.use_trigger(trigger)
    view = found.workspace.keep_view(user, body)
    found.workspace.show(user, [view])
    return {"view": wire.view(view, found.workspace.identity)}


def push(found: Services, arguments: Arguments) -> Json:
    """views.push."""
    [trigger] = arguments.required("trigger_id")
    body = read_view(arguments, "modal")
    user = found.workspace.use_trigger(trigger)
    stack = found.workspace.screen(user)
    if not stack:
        raise SlackError("view_not_found")
    if len(stack) >= VIEW_STACK:
        raise SlackError("push_limit_reached")
    view = found.workspace.keep_view(user, body, previous=stack[-1])
    found.workspace.show(user, [*stack, view])
    return {"view": wire.view(view, found.workspace.identity)}


def update(found: Services, arguments: Arguments) -> Json:
    """views.update."""
    view = _existing(found, arguments)
    body = read_view(arguments, view.body["type"])
    if arguments.text("hash") not in ("", view.hash):
        raise SlackError("hash_conflict")
    changed = found.workspace.keep_view(view.owner, body, replaces=view)
    return {"view": wire.view(changed, found.workspace.identity)}


def publish(found: Services, arguments: Arguments) -> Json:
    """views.publish."""
    [user] = arguments.required("user_id")
    body = read_view(arguments, "home")
    if user not in found.workspace.users:
        raise SlackError("invalid_arguments")
    known = found.workspace.homes.get(user)
    before = found.workspace.views[known] if known else None
    if before and arguments.text("hash") not in ("", before.hash):
        raise SlackError("hash_conflict")
    view = found.workspace.keep_view(user, body, replaces=before)
    found.workspace.homes[user] = view.id
    return {"view": wire.view(view, found.workspace.identity)}


def _existing(found: Services, arguments: Arguments) -> View:
    identifier, external = arguments.text("view_id"), arguments.text("external_id")
    for view in found.workspace.views.values():
        if view.id == identifier or (external and view.body.get("external_id") == external):
            return view
    raise SlackError("not_found")


METHODS = {
    "views.open": Method(open_view, Tier.FOUR),
    "views.push": Method(push, Tier.FOUR),
    "views.update": Method(update, Tier.FOUR),
    "views.publish": Method(publish, Tier.FOUR),
}
