"""Shared access signatures of the local blob store."""

import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import urlencode

from core.clock import Clock, system_clock
from core.local_azure.server.errors import BlobError
from core.local_azure.server.workspace import Workspace

LIFETIME = timedelta(hours=24)
VERSION = "2023-11-03"
EXPIRY = "%Y-%m-%dT%H:%M:%SZ"


def sas(workspace: Workspace, clock: Clock = system_clock, lifetime: timedelta = LIFETIME) -> str:
    """Return a signature, as a query string, for all blobs of the workspace; its end is told by the machine's time."""
    expiry = (clock() + lifetime).strftime(EXPIRY)
    fields = {"sv": VERSION, "ss": "b", "srt": "sco", "sp": "rwdlac", "se": expiry, "spr": "https"}
    return urlencode(fields | {"sig": _signature(workspace, fields)})


def check(workspace: Workspace, query: dict[str, str], clock: Clock = system_clock) -> None:
    """Raise `BlobError` 403 unless `query` carries a signature of this workspace that has not expired."""
    fields = {name: query.get(name, "") for name in ("sv", "ss", "srt", "sp", "se", "spr")}
    if not hmac.compare_digest(query.get("sig", "").encode(), _signature(workspace, fields).encode()):
        message = (
            "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
            "correctly including the signature."
        )
        raise BlobError(403, "AuthenticationFailed", message)
    if datetime.strptime(fields["se"], EXPIRY).replace(tzinfo=clock().tzinfo) <= clock():
        raise BlobError(403, "AuthenticationFailed", "Signature not valid in the specified time frame.")


def blob_url(workspace: Workspace, container: str, name: str) -> str:
    """Return the URL of a blob with a signature, as run details give it for logs."""
    return f"{workspace.blob_url}/{container}/{name}?{sas(workspace)}"


def _signature(workspace: Workspace, fields: dict[str, str]) -> str:
    text = "\n".join(fields.values())
    return hmac.new(workspace.signing_key.encode(), text.encode(), hashlib.sha256).hexdigest()
