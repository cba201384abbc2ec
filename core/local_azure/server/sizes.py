"""VM sizes: those of Azure, which this machine cannot give, and the machine itself as a size of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import msgspec
import yaml

WATTS = 65.0
DOLLARS_PER_KILOWATT_HOUR = 0.30
PRICE_VARIABLE = "LOCAL_AZURE_PRICE_PER_HOUR"
"""Environment variable with the price of this machine in USD per hour, instead of the estimated electricity."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A VM size; prices in USD per hour, None when unknown. `quota` is how many vCPUs its family has in all."""

    name: str
    family: str
    vcpus: int
    gpus: int
    memory_gb: float
    disk_mb: int
    price: float | None = None
    low_priority_price: float | None = None
    quota: int = 0


@cache
def local_size() -> Size:
    """Return this machine as a size: ``Local_GPU`` if it has CUDA devices, else ``Local_CPU``."""
    devices = len(list(_cuda_devices()))
    kind = "GPU" if devices else "CPU"
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Size(
        name=f"Local_{kind}",
        family=f"standardLocal{kind}Family",
        vcpus=cores,
        gpus=devices,
        memory_gb=round(memory, 1),
        disk_mb=shutil.disk_usage("/").total // 2**20,
        price=float(os.environ.get(PRICE_VARIABLE, WATTS / 1000 * DOLLARS_PER_KILOWATT_HOUR)),
        quota=cores,
    )


@cache
def sizes() -> tuple[Size, ...]:
    """Return all sizes, this machine's own first."""
    rows = yaml.safe_load((files(__package__) / "data" / "sizes.yaml").read_text())
    azure = (
        Size(
            name=name,
            family=family,
            vcpus=vcpus,
            gpus=gpus,
            memory_gb=memory,
            disk_mb=disk,
            price=price,
            low_priority_price=low,
        )
        for name, (family, vcpus, gpus, memory, disk, price, low) in rows.items()
    )
    return (local_size(), *azure)


def find_size(name: str) -> Size | None:
    """Return the size called `name` in any case, or None."""
    return next((size for size in sizes() if size.name.lower() == name.lower()), None)


def _cuda_devices() -> Iterator[str]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return
    listed = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=False, timeout=20)
    yield from (line for line in listed.stdout.splitlines() if line.startswith("GPU "))
