"""Who is who: auth.test, api.test, apps.connections.open, team.info, bots.info and users.*."""

from bot.local_slack import wire
from bot.local_slack.api import Method
from bot.local_slack.arguments import Arguments
from bot.local_slack.errors import SlackError
from bot.local_slack.limits import Tier
from bot.local_slack.model import Json
from bot.local_slack.routes.conversations import page
from bot.local_slack.services import Services

TEAM_NAME = "Local"


def api_test(_: Services, arguments: Arguments) -> Json:
    """api.test."""
    if error := arguments.text("error"):
        raise SlackError(error, args=arguments.given)
    return {"args": arguments.given}


def auth_test(found: Services, _: Arguments) -> Json:
    """auth.test."""
    identity = found.workspace.identity
    return {
        "url": f"{found.url}/",
        "team": TEAM_NAME,
        "user": found.workspace.users[identity.bot_user_id].name,
        "team_id": identity.team_id,
        "user_id": identity.bot_user_id,
        "bot_id": identity.bot_id,
        "is_enterprise_install": False,
    }


def open_connection(found: Services, _: Arguments) -> Json:
    """apps.connections.open."""
    if not found.manifest.socket_mode:
        raise SlackError("socket_mode_not_enabled")
    base = found.url.replace("http", "ws", 1)
    return {"url": f"{base}/link/?ticket={found.sockets.new_ticket()}&app_id={found.workspace.identity.app_id}"}


def team_info(found: Services, _: Arguments) -> Json:
    """team.info."""
    return {"team": {"id": found.workspace.identity.team_id, "name": TEAM_NAME, "domain": "local"}}


def bot_info(found: Services, arguments: Arguments) -> Json:
    """bots.info."""
    identity = found.workspace.identity
    if arguments.text("bot", identity.bot_id) != identity.bot_id:
        raise SlackError("bot_not_found")
    name = found.workspace.users[identity.bot_user_id].name
    return {"bot": {"id": identity.bot_id, "app_id": identity.app_id, "user_id": identity.bot_user_id, "name": name}}


def user_info(found: Services, arguments: Arguments) -> Json:
    """users.info."""
    user = found.workspace.users.get(arguments.text("user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": wire.user(user, found.workspace.identity)}


def user_by_email(found: Services, arguments: Arguments) -> Json:
    """users.lookupByEmail."""
    [email] = arguments.required("email")
    for user in found.workspace.users.values():
        if user.email == email:
            return {"user": wire.user(user, found.workspace.identity)}
    raise SlackError("users_not_found")


def list_users(found: Services, arguments: Arguments) -> Json:
    """users.list."""
    users, cursor = page(list(found.workspace.users.values()), arguments, 200)
    members = [wire.user(user, found.workspace.identity) for user in users]
    return {"members": members, "cache_ts": found.workspace.now(), "response_metadata": {"next_cursor": cursor}}


METHODS = {
    "api.test": Method(api_test, Tier.FOUR, open=True),
    "auth.test": Method(auth_test, Tier.SPECIAL),
    "apps.connections.open": Method(open_connection, Tier.TWO, app_level=True),
    "team.info": Method(team_info, Tier.THREE, ("team:read",)),
    "bots.info": Method(bot_info, Tier.THREE, ("users:read",)),
    "users.info": Method(user_info, Tier.FOUR, ("users:read",)),
    "users.list": Method(list_users, Tier.TWO, ("users:read",)),
    "users.lookupByEmail": Method(user_by_email, Tier.THREE, ("users:read.email",)),
}
