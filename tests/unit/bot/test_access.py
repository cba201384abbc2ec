"""Only who asked for a thing, and admins, may spend on it or destroy it."""

from datetime import UTC, datetime

import pytest

from bot.access import require_owner
from core.errors import AccessError
from core.records.tables import Dataset

DATASET = Dataset(id="d-1", owner="U1", channel="C1", created_at=datetime(2026, 1, 1, tzinfo=UTC), request={})


def test_owner_and_admins_may() -> None:
    """The owner may, and so may an admin."""
    require_owner("U1", DATASET, (), "delete it")
    require_owner("U9", DATASET, ("U9",), "delete it")


def test_others_are_told_who_may() -> None:
    """Anybody else is told whom to ask."""
    with pytest.raises(AccessError) as refused:
        require_owner("U2", DATASET, ("U9", "U8"), "delete it")
    assert refused.value.what == "Only <@U1> or an admin (<@U8>, <@U9>) may delete it."
    with pytest.raises(AccessError, match=r"^Only <@U1> may delete it\. Ask <@U1>\.$"):
        require_owner("U2", DATASET, (), "delete it")
