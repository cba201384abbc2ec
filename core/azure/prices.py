"""What a VM size costs per hour: the region's own size list, Azure's public price list, then a dated bundled table."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

import httpx
import msgspec

from core.azure.cloud import tls_context
from core.azure.skus import sku
from core.azure.types import Price, VmSize
from core.clock import Clock, system_clock
from core.errors import AzureError

RETAIL_URL = "https://prices.azure.com/api/retail/prices"
_MOST_PAGES = 5


@dataclass(frozen=True)
class _Bundled:
    as_of: date
    location: str
    currency: str
    source: str
    per_hour: dict[str, float]


class PriceList:
    """Prices of dedicated Linux machines, each looked up once a day. Safe to share by threads."""

    def __init__(
        self,
        sizes: Callable[[], Iterable[VmSize]],
        clock: Clock = system_clock,
        retail_url: str = RETAIL_URL,
        timeout: float = 3.0,
    ) -> None:
        """Make a list that asks `sizes` (`Workspace.vm_sizes`), then `retail_url` for at most `timeout` seconds."""
        self._sizes, self._clock = sizes, clock
        self._retail_url, self._timeout = retail_url, timeout
        self._known: dict[tuple[str, str, date], Price | None] = {}
        self._lock = Lock()

    def price_per_hour(self, size: str, location: str) -> Price | None:
        """Return what one instance of `size` costs in `location` ("eastus"); None when no source knows the size."""
        today = self._clock().date()
        key = (size.lower(), location.lower(), today)
        with self._lock:
            if key in self._known:
                return self._known[key]
        price = self._of_region(size, today) or self._of_retail_list(size, location, today) or bundled(size)
        with self._lock:
            self._known = {known: found for known, found in self._known.items() if known[2] == today}
            self._known[key] = price
        return price

    def _of_region(self, size: str, today: date) -> Price | None:
        try:
            listed = next((one for one in self._sizes() if one.name.lower() == size.lower()), None)
        except AzureError:
            return None
        if listed is None or listed.price_per_hour is None:
            return None
        return Price(listed.price_per_hour, listed.currency, "the workspace's own size list", today)

    def _of_retail_list(self, size: str, location: str, today: date) -> Price | None:
        known = sku(size)
        name = known.name if known else size
        place = location.lower().replace(" ", "")
        if not re.fullmatch(r"\w+", name) or not re.fullmatch(r"\w+", place):
            return None
        wanted = (
            f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
            f"and armRegionName eq '{place}' and armSkuName eq '{name}'"
        )
        try:
            return retail_price(self._items(wanted), today)
        except (httpx.HTTPError, ValueError):
            return None

    def _items(self, wanted: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        url: str | None = str(httpx.URL(self._retail_url, params={"$filter": wanted}))
        with httpx.Client(verify=tls_context(), timeout=self._timeout) as client:
            for _ in range(_MOST_PAGES):
                if not url:
                    break
                page = client.get(url).raise_for_status().json()
                found += page.get("Items") or []
                url = page.get("NextPageLink")
        return found


def retail_price(items: Iterable[Mapping[str, Any]], today: date) -> Price | None:
    """Return the dedicated Linux price among items of the retail price list; None when there is none."""
    prices = [
        (float(item["retailPrice"]), str(item.get("currencyCode") or "USD"))
        for item in items
        if item.get("unitOfMeasure") == "1 Hour"
        and item.get("type", "Consumption") == "Consumption"
        and "Windows" not in str(item.get("productName"))
        and not re.search(r"Spot|Low Priority", str(item.get("skuName")))
        and float(item.get("retailPrice") or 0) > 0
    ]
    if not prices:
        return None
    amount, currency = min(prices)
    return Price(amount, currency, "Azure retail prices", today)


def bundled(size: str) -> Price | None:
    """Return the price in the bundled table, whose date and region its source names; None when it has none."""
    table, known = _bundled(), sku(size)
    amount = table.per_hour.get(known.name) if known else None
    return None if amount is None else Price(amount, table.currency, table.source, table.as_of)


@cache
def _bundled() -> _Bundled:
    text = (files("core.azure") / "data" / "prices.json").read_bytes()
    return msgspec.json.decode(text, type=_Bundled)
