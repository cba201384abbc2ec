"""Keep an endpoint although nobody uses it: no reminders for a while."""

import logging
from datetime import timedelta

from core.errors import AzureError, ConflictError, NotFoundError
from core.events import EventKind
from core.records.store import record_event
from core.records.tables import Endpoint
from core.services import Services

KEEP_TAG = "finetune-bot-keep-until"
"""On the endpoint itself, so that other tools that look for idle endpoints see it too."""

log = logging.getLogger(__name__)


def keep_endpoint(services: Services, endpoint_id: str, user: str, lasting: timedelta | None = None) -> Endpoint:
    """Silence reminders for `lasting`, by default the team's setting, and tag the endpoint with the moment it ends.

    Raises NotFoundError, or ConflictError for an endpoint that is gone or going.
    """
    now = services.clock()
    until = now + (lasting or services.settings.keep_for)
    services.store.get(Endpoint, endpoint_id)
    with services.store.transaction() as session:
        endpoint = session.get_one(Endpoint, endpoint_id)
        if endpoint.wanted == "gone" or endpoint.state == "Gone":
            raise ConflictError(f"The endpoint `{endpoint.id}` is gone or being deleted.")
        endpoint.keep_until, endpoint.kept_by, endpoint.reminded_at = until, user, None
        record_event(session, endpoint, EventKind.ENDPOINT_KEPT, now, actor=user, until=until.isoformat())
    try:
        services.azure.tag_endpoint(endpoint.id, {KEEP_TAG: until.isoformat(timespec="seconds")})
    except (AzureError, NotFoundError) as error:
        log.warning("Endpoint %s is kept, but could not be tagged: %s", endpoint.id, error)
    return endpoint
