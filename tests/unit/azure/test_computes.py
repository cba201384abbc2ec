"""Sizes, quota and errors of computes as azure-ai-ml 1.35 gives them."""

from core.azure.computes import parse_errors, parse_usage, parse_vm_size
from core.azure.types import Usage


def test_size_of_either_sdk():
    """Sizes are read from the wire's names, which newer SDKs leave beside empty attributes, and from the older ones."""
    prices = {
        "billingCurrency": "EUR",
        "values": [
            {"retailPrice": 0.1, "osType": "Linux", "vmTier": "Spot"},
            {"retailPrice": 3.5, "osType": "Linux", "vmTier": "Standard"},
        ],
    }
    new = {"name": "X", "gpus": 1, "v_cp_us": None, "vCPUs": 24, "memoryGB": 220.0, "lowPriorityCapable": True}
    old = {"name": "X", "gpus": 1, "v_cp_us": 24, "memory_gb": 220.0, "low_priority_capable": True}
    found = parse_vm_size({**new, "estimatedVMPrices": prices, "family": "f"})
    assert (found.vcpus, found.memory_gib, found.gpus, found.low_priority, found.family) == (24, 220.0, 1, True, "f")
    assert (found.price_per_hour, found.currency) == (3.5, "EUR")
    assert parse_vm_size(new) == parse_vm_size(old)
    assert parse_vm_size(old).price_per_hour is None


def test_usage_of_either_sdk():
    """What is used is read although the SDK's own attribute is None since 1.35.1."""
    name = {"value": "standardNCFamily", "localizedValue": "NC"}
    assert parse_usage({"name": name, "current_value": None, "currentValue": 6, "limit": 24}) == Usage(
        "standardNCFamily", 6, 24
    )
    assert parse_usage({"name": "x", "current_value": 1, "limit": 2}) == Usage("x", 1, 2)


def test_errors_of_a_compute():
    """A compute that failed says why, once, whether at its creation or when it grew."""
    quota = {"error": {"code": "BadRequest", "message": "total vCPU quota of 0"}}
    properties = {"provisioningErrors": [quota], "properties": {"errors": [quota, {"error": {"code": "Other"}}]}}
    assert parse_errors(properties) == ("BadRequest: total vCPU quota of 0", "Other")
    assert parse_errors({"provisioningErrors": None, "properties": {"errors": None}}) == ()
