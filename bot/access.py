"""Who may do what: everybody reads and asks; owners and admins act on what spends or destroys."""

from collections.abc import Collection

from core.errors import AccessError


def require_owner(user: str, owner: str, admins: Collection[str], deed: str) -> None:
    """Refuse unless `user` is the owner or an admin; `deed` completes "may ...".

    Raises AccessError that names who may.
    """
    if user == owner or user in admins:
        return
    others = sorted(f"<@{admin}>" for admin in admins if admin != owner)
    raise AccessError(
        f"Only {' or '.join([f'<@{owner}>', *others])} may {deed}.",
        next="Ask one of them." if others else f"Ask <@{owner}>.",
    )
