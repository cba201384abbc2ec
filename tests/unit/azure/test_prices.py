"""A price comes from the nearest source that knows it, and says which."""

from datetime import date, timedelta

import pytest

from core.azure.prices import PriceList, bundled, retail_price
from core.azure.skus import deployment_vcpus, retired, sku, skus
from core.azure.types import VmSize
from core.clock import AdjustableClock
from core.errors import AzureUnavailable
from tests.unit.azure.conftest import Reply

A100 = "Standard_NC24ads_A100_v4"


def item(price, product="Virtual Machines NCadsA100v4 Series", sku_name="NC24ads A100 v4", **more):
    return {
        "retailPrice": price,
        "currencyCode": "USD",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "productName": product,
        "skuName": sku_name,
        **more,
    }


def size(name, price=None):
    return VmSize(name, 24, 1, 220.0, False, price_per_hour=price)


def test_region_list_comes_first(serve):
    """A price in the workspace's own size list is taken without asking anybody else."""
    served = serve(lambda _: Reply(200, {"Items": [item(9.0)]}))
    found = PriceList(lambda: [size("Local_CPU", 0.02)], retail_url=served.url).price_per_hour("local_cpu", "eastus")
    assert (found.amount, found.currency, found.source) == (0.02, "USD", "the workspace's own size list")
    assert served.requests == []


def test_retail_list_is_read_page_by_page_and_once_a_day(serve):
    """The public list is asked for exactly this size and region, all pages, and not again on the same day."""
    clock = AdjustableClock()

    def answer(request):
        if "page=2" in request.path:
            return Reply(200, {"Items": [item(3.9), item(0.4, sku_name="NC24ads A100 v4 Spot")], "NextPageLink": None})
        windows = item(5.0, product="Virtual Machines NCadsA100v4 Series Windows")
        return Reply(200, {"Items": [windows], "NextPageLink": f"{served.url}/?page=2"})

    served = serve(answer)
    prices = PriceList(lambda: [size(A100)], clock, retail_url=served.url)
    found = prices.price_per_hour(A100.lower(), "East US")
    assert (found.amount, found.source, found.as_of) == (3.9, "Azure retail prices", clock().date())
    assert "armRegionName+eq+%27eastus%27" in served.requests[0].path.replace("%20", "+")
    assert A100 in served.requests[0].path
    prices.price_per_hour(A100, "East US")
    prices.price_per_hour(A100, "East US")
    asked = len(served.requests)
    clock.advance(timedelta(days=1))
    prices.price_per_hour(A100, "East US")
    assert (asked, len(served.requests)) == (2, 4)


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, "no JSON"), Reply(200, {"Items": []})])
def test_bundled_table_is_last_and_says_its_date(serve, reply):
    """When no list answers, the bundled price is given with its date and region."""

    def unavailable():
        raise AzureUnavailable("Azure is away.")

    served = serve(lambda _: reply)
    found = PriceList(unavailable, retail_url=served.url).price_per_hour(A100, "westeurope")
    assert (found.amount, found.as_of) == (3.673, date(2026, 11, 23))
    assert "eastus" in found.source


def test_unknown_size_has_no_price(serve):
    """A size that no source knows has no price, and a name that is none is sent nowhere."""
    served = serve(lambda _: Reply(200, {"Items": []}))
    prices = PriceList(list, retail_url=served.url)
    assert prices.price_per_hour("Standard_Z9", "eastus") is None
    assert prices.price_per_hour("x' or 1 eq 1", "eastus") is None
    assert len(served.requests) == 1


def test_only_dedicated_linux_hours_are_prices():
    """Reservations, Windows, spot machines and monthly prices are no price per hour."""
    today = date(2026, 11, 24)
    wrong = [
        item(1, product="VM Windows"),
        item(1, sku_name="X Low Priority"),
        item(1, type="Reservation"),
        item(1, unitOfMeasure="1 Month"),
        item(0),
    ]
    assert retail_price(wrong, today) is None
    assert retail_price([*wrong, item(7)], today).amount == 7


def test_table_of_sizes():
    """The bundled sizes are named once each, and each priced one is a known size."""
    names = [one.name.lower() for one in skus()]
    assert len(names) == len(set(names))
    assert sku("nc24ads_a100_v4") == sku(A100)
    assert sku("Standard_DS3_v2") is None
    assert bundled("nc24ads_a100_v4").amount == 3.673
    assert bundled("Standard_NC6s_v3") is None


def test_retired_sizes():
    """NCv3 ran until the end of September 2025 and not after; a size nobody lists is not called retired."""
    assert not retired("Standard_NC6s_v3", date(2025, 9, 30))
    assert retired("STANDARD_NC24RS_V3", date(2025, 10, 1))
    assert not retired(A100, date(2026, 11, 24))
    assert not retired("Local_CPU", date(2026, 11, 24))


def test_quota_of_a_deployment():
    """A T4 deployment needs room for an upgrade beside it; an A100 one does not."""
    assert deployment_vcpus("Standard_NC4as_T4_v3", 4, 1) == 8
    assert deployment_vcpus("Standard_NC4as_T4_v3", 4, 5) == 24
    assert deployment_vcpus(A100, 24, 1) == 24
