"""Who may do what: everybody reads and asks; owners and admins act on what spends or destroys."""

from collections.abc import Collection

from core.errors import AccessError
from core.records.tables import Requested


def require_owner(user: str, record: Requested, admins: Collection[str], deed: str) -> None:
    """Refuse unless `user` asked for `record` or is an admin; `deed` completes "may ...".

    Raises AccessError that names who may.
    """
    if user == record.owner or user in admins:
        return
    others = " or an admin (" + ", ".join(f"<@{admin}>" for admin in sorted(admins)) + ")" if admins else ""
    raise AccessError(
        f"Only <@{record.owner}>{others} may {deed}.",
        next=f"Ask <@{record.owner}>." if not others else "Ask one of them.",
    )
