"""What an operation needs, passed in; and who asks."""

from dataclasses import dataclass
from functools import cached_property

from core.azure.prices import PriceList
from core.azure.scoring import ScoringClient
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

    @cached_property
    def prices(self) -> PriceList:
        """Return what sizes cost, looked up once a day."""
        return PriceList(self.azure.vm_sizes, self.clock)

    @cached_property
    def scoring(self) -> ScoringClient:
        """Return the client that asks deployed models."""
        return ScoringClient()
