"""Computes, sizes, usages and quotas as Azure ML's JSON."""

from typing import Any

import msgspec

from core.local_azure.server.sizes import Size, sizes
from core.local_azure.server.state_computes import Compute, Options, ProvisioningState
from core.local_azure.server.wire import mfe_time
from core.local_azure.server.workspace import Workspace


class ComputeProperties(msgspec.Struct, rename="camel"):
    """`properties` of a compute as a client sends it."""

    properties: Options
    compute_type: str
    description: str | None = None
    disable_local_auth: bool = False


class ComputeBody(msgspec.Struct):
    """A compute as a client sends it."""

    properties: ComputeProperties
    location: str | None = None
    tags: dict[str, str] | None = None


def compute_json(compute: Compute, workspace: Workspace, nodes: int = 0, fresh: bool = False) -> dict[str, Any]:
    """Return a compute with `nodes` nodes at work; `fresh` is the shorter answer to the request that creates it."""
    settled = compute.state is not ProvisioningState.CREATING
    counts = {f"{name}NodeCount": 0 for name in ("preparing", "running", "idle", "unusable", "leaving", "preempted")}
    errors = None
    if compute.failure:
        errors = [{"error": {"code": compute.failure.code, "message": compute.failure.message}}]
    options = msgspec.to_builtins(compute.options) | {
        "vmSize": compute.options.vm_size.upper(),
        "subnet": None,
        "currentNodeCount": nodes if settled else None,
        "targetNodeCount": nodes if settled else None,
        "nodeStateCounts": counts | {"runningNodeCount": nodes} if settled else None,
        "allocationState": "Steady" if settled else None,
        "errors": errors,
        "virtualMachineImage": None,
    }
    if settled:
        options |= {"allocationStateTransitionTime": mfe_time(compute.modified), "propertyBag": {}}
    properties = {
        "createdOn": mfe_time(compute.created),
        "modifiedOn": mfe_time(compute.modified),
        "disableLocalAuth": compute.disable_local_auth,
        "description": compute.description,
        "resourceId": None,
        "computeType": "AmlCompute",
        "provisioningState": compute.state,
        "provisioningErrors": errors,
        "isAttachedCompute": False,
        "properties": options,
    }
    if not fresh:
        properties["computeLocation"] = compute.location
    return {
        "id": f"{workspace.resource_id}/computes/{compute.name}",
        "name": compute.name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": compute.location,
        "tags": compute.tags or (None if fresh else {}),
        "properties": properties,
    }


def size_json(size: Size) -> dict[str, Any]:
    """Return a VM size with its prices."""
    return {
        "name": size.name,
        "family": size.family,
        "vCPUs": size.vcpus,
        "gpus": size.gpus,
        "osVhdSizeMB": 131072,
        "maxResourceVolumeMB": size.disk_mb,
        "memoryGB": float(size.memory_gb),
        "lowPriorityCapable": True,
        "premiumIO": True,
        "estimatedVMPrices": _prices(size),
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance", "MIR"],
    }


def usages_json(workspace: Workspace, clusters: list[Compute], busy: dict[str, int]) -> list[dict[str, Any]]:
    """Return the usages: clusters, all dedicated vCPUs, and each family; `busy` is the vCPUs in use by family."""
    base = f"/subscriptions/{workspace.subscription}/usages"
    families = _families()
    total = "Total Cluster Dedicated Regional vCPUs"
    entries = [
        _entry(base, "totalCores/usages", "Clusters", 200, len(clusters), workspace),
        _entry(base, "dedicatedCores/usages", total, sum(families.values()), sum(busy.values()), workspace),
    ]
    for family, limit in families.items():
        name = _family_name(family)
        used = busy.get(family, 0)
        entries.append(_entry(f"{base}/{name.replace(' ', '_')}", "vmFamily/usages", name, limit, used, workspace))
    return entries


def quotas_json(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the quota of each family."""
    base = f"/subscriptions/{workspace.subscription}/quotas"
    entries = []
    for family, limit in _families().items():
        name = _family_name(family)
        entry = _entry(f"{base}/{name.replace(' ', '_')}", "vmFamily/quotas", name, limit, 0, workspace)
        del entry["currentValue"]
        entries.append(entry)
    return entries


def _families() -> dict[str, int]:
    return {size.family: size.quota for size in sizes()}


def _family_name(family: str) -> str:
    """Return a family as usages call it: ``standardDSv2Family`` is ``Standard DSv2 Family Cluster Dedicated vCPUs``."""
    core = family.removeprefix("standard").removeprefix("Standard").removesuffix("Family").strip()
    return f"Standard {core} Family Cluster Dedicated vCPUs"


def _entry(id: str, type: str, name: str, limit: int, used: int, workspace: Workspace) -> dict[str, Any]:
    return {
        "id": id,
        "type": f"Microsoft.MachineLearningServices/{type}",
        "amlWorkspaceLocation": workspace.location,
        "currentValue": used,
        "limit": limit,
        "name": {"localizedValue": name, "value": name},
        "unit": "Count",
    }


def _prices(size: Size) -> dict[str, Any] | None:
    tiers = (("Standard", size.price), ("LowPriority", size.low_priority_price))
    values = [{"retailPrice": price, "osType": "Linux", "vmTier": tier} for tier, price in tiers if price is not None]
    return {"billingCurrency": "USD", "unitOfMeasure": "OneHour", "values": values} if values else None
