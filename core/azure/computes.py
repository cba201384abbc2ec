"""Compute clusters of the workspace, the VM sizes of its region and what of the quota is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.azure.clients import word
from core.azure.errors import calling, is_not_found, scrub
from core.azure.types import Compute, Usage, VmSize
from core.errors import ComputeError

if TYPE_CHECKING:
    from core.azure.clients import Clients

_NAME = re.compile(r"\w[\w-]{0,254}", re.ASCII)
_TIERS = {"dedicated": "Dedicated", "low_priority": "LowPriority", "lowpriority": "LowPriority"}


def compute(clients: Clients, name: str) -> Compute | None:
    """Return the compute cluster `name`; None when the workspace has none.

    Raises ComputeError for what cannot be a name: it would become part of another address.
    """
    if not _NAME.fullmatch(name):
        raise ComputeError(f"No compute can be called {name}.", next="It takes letters, digits and dashes.")
    with calling(f"read the compute {name}"):
        try:
            found = _compute(clients.workspace.compute.get(name))
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        if found.state == "Failed":
            # The SDK keeps only the first error's code; what Azure says about the quota is in its message.
            url = f"{clients.workspace_id}/computes/{name}"
            resource = clients.rest.get(url, **{"api-version": "2023-08-01-preview"})
            found = replace(found, errors=parse_errors(resource.get("properties") or {}) or found.errors)
        return found


def computes(clients: Clients) -> tuple[Compute, ...]:
    """Return every compute cluster of the workspace."""
    with calling("list the computes"):
        return tuple(_compute(found) for found in clients.workspace.compute.list(compute_type="amlcompute"))


def begin_create_compute(clients: Clients, wanted: Compute) -> None:
    """Ask for a compute cluster; one that exists already and did not fail is left as it is."""
    existing = compute(clients, wanted.name)
    if existing is not None and existing.state != "Failed":
        return
    with calling(f"create the compute {wanted.name}"):
        from azure.ai.ml.entities import AmlCompute

        clients.workspace.compute.begin_create_or_update(
            AmlCompute(
                name=wanted.name,
                size=wanted.size,
                tier=wanted.tier,
                min_instances=wanted.min_instances,
                max_instances=wanted.max_instances,
                idle_time_before_scale_down=wanted.idle_seconds_before_scale_down,
            )
        )


def vm_sizes(clients: Clients) -> tuple[VmSize, ...]:
    """Return the VM sizes that Azure ML offers in the workspace's region."""
    with calling("list the VM sizes"):
        return tuple(parse_vm_size(vars(found)) for found in clients.workspace.compute.list_sizes())


def usages(clients: Clients) -> tuple[Usage, ...]:
    """Return what of each quota of the workspace's region is used."""
    with calling("read the quota"):
        return tuple(parse_usage(vars(found)) for found in clients.workspace.compute.list_usage())


def parse_vm_size(found: dict[str, Any]) -> VmSize:
    """Return the VM size of an SDK entity's `vars`.

    Since 1.35.1 its declared attributes stay None and the wire's own keys stand beside them.
    """
    price, currency = _linux_price(found.get("estimatedVMPrices") or found.get("estimated_vm_prices"))
    return VmSize(
        name=str(found["name"]),
        vcpus=int(_first(found, "vCPUs", "v_cp_us") or 0),
        gpus=int(_first(found, "gpus") or 0),
        memory_gib=float(_first(found, "memoryGB", "memory_gb") or 0),
        low_priority=bool(_first(found, "lowPriorityCapable", "low_priority_capable")),
        family=str(found.get("family") or ""),
        price_per_hour=price,
        currency=currency,
    )


def parse_usage(found: dict[str, Any]) -> Usage:
    """Return the usage of an SDK entity's `vars`, whose `current_value` is None since 1.35.1."""
    name = found.get("name")
    text = name.get("value") or name.get("localizedValue") if isinstance(name, dict) else name
    return Usage(
        str(text or ""), int(_first(found, "currentValue", "current_value") or 0), int(found.get("limit") or 0)
    )


def parse_errors(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what went wrong with a compute: creating it, then resizing it; each "CODE: message"."""
    allocation = (properties.get("properties") or {}).get("errors") or ()
    errors = [entry.get("error") or {} for entry in (*(properties.get("provisioningErrors") or ()), *allocation)]
    texts = (": ".join(scrub(str(error[part])) for part in ("code", "message") if error.get(part)) for error in errors)
    return tuple(dict.fromkeys(text for text in texts if text))


def _compute(found: Any) -> Compute:
    tier = str(getattr(found, "tier", None) or "dedicated")
    error = found.provisioning_errors
    return Compute(
        name=str(found.name),
        size=str(getattr(found, "size", None) or ""),
        tier=_TIERS.get(tier.lower(), tier),
        min_instances=int(getattr(found, "min_instances", None) or 0),
        max_instances=int(getattr(found, "max_instances", None) or 0),
        idle_seconds_before_scale_down=int(getattr(found, "idle_time_before_scale_down", None) or 0),
        state=word(found.provisioning_state),
        errors=(str(error),) if error else (),
    )


def _first(found: dict[str, Any], *names: str) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)


def _linux_price(prices: Any) -> tuple[float | None, str]:
    """Return the dedicated Linux price per hour; `values` are by osType and vmTier (swagger `EstimatedVMPrices`)."""
    if not isinstance(prices, dict):
        return None, "USD"
    currency = str(prices.get("billingCurrency") or "USD")
    for price in prices.get("values") or ():
        if price.get("osType") == "Linux" and price.get("vmTier") in ("Standard", "Dedicated"):
            return float(price["retailPrice"]), currency
    return None, currency
