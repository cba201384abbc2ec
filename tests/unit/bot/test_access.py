"""Only who asked for a thing, and admins, may spend on it or destroy it."""

import pytest

from bot.access import require_owner
from core.errors import AccessError


def test_owner_and_admins_may() -> None:
    """The owner may, and so may an admin."""
    require_owner("U1", "U1", (), "delete it")
    require_owner("U9", "U1", ("U9",), "delete it")


def test_others_are_told_who_may() -> None:
    """Anybody else is told whom to ask."""
    with pytest.raises(AccessError) as refused:
        require_owner("U2", "U1", ("U9", "U8"), "delete it")
    assert refused.value.what == "Only <@U1> or <@U8> or <@U9> may delete it."
    with pytest.raises(AccessError) as refused:
        require_owner("U2", "U1", (), "delete it")
    assert refused.value.next == "Ask <@U1>."
