"""GPU sizes and what Azure's pages say of them: GPUs, memory, the 20 % reservation, when they retire.

Used where the region's own size list says nothing: it has no GPU memory and no dates.
"""

import math
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec


@dataclass(frozen=True)
class Sku:
    """A GPU size: memory in GiB for each GPU; `retirement` is the day after which Azure no longer runs it.

    `skips_reservation`: its deployments need no 20 % more quota for upgrades (`how-to-manage-quotas.md`).
    """

    name: str
    gpu: str
    gpus: int
    gpu_memory_gib: int
    vcpus: int
    skips_reservation: bool
    retirement: date | None


@dataclass(frozen=True)
class _Table:
    source: str
    skus: tuple[Sku, ...]


@cache
def skus() -> tuple[Sku, ...]:
    """Return every size of the bundled table."""
    text = (files("core.azure") / "data" / "skus.json").read_bytes()
    return msgspec.json.decode(text, type=_Table).skus


def sku(size: str) -> Sku | None:
    """Return the size of this name, in any case and with or without "Standard_"; None when the table has none."""
    wanted = _plain(size)
    return next((one for one in skus() if _plain(one.name) == wanted), None)


def retired(size: str, today: date) -> bool:
    """Return whether Azure no longer runs machines of `size`; a size the table does not know is not retired."""
    found = sku(size)
    return found is not None and found.retirement is not None and today > found.retirement


def deployment_vcpus(size: str, vcpus: int, instances: int) -> int:
    """Return the quota that a deployment of `instances` machines with `vcpus` each needs, upgrades included.

    Azure reserves 20 % more instances, rounded up, except for sizes that skip it (`how-to-manage-quotas.md`).
    """
    found = sku(size)
    if found is not None and found.skips_reservation:
        return instances * vcpus
    return math.ceil(instances * 12 / 10) * vcpus


def _plain(size: str) -> str:
    return size.strip().lower().removeprefix("standard_")
