"""What an operation needs, passed in; and who asks."""

from dataclasses import dataclass

from core.azure.workspace import Workspace
from core.clock import Clock
from core.records.store import Store
from core.settings import Settings


@dataclass(frozen=True)
class Requester:
    """The person who asks, and where: Slack ids; `thread` is empty outside threads."""

    user: str
    channel: str
    team: str = ""
    thread: str = ""


@dataclass(frozen=True)
class Services:
    """Everything an operation works with; built once by the composition root."""

    settings: Settings
    store: Store
    azure: Workspace
    clock: Clock
