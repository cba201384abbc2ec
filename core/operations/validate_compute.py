"""Say whether a compute can fine-tune a model, and what would be accepted where it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import process

from core.azure.skus import retired
from core.azure.types import Compute, FoundationModel, Price, VmSize
from core.errors import ComputeError
from core.operations.choose_model import choose_model, retirement
from core.services import Services

# The walkthrough's own deny-list, for models without an allow-list: K80 cards.
_DENIED = frozenset({"standard_nc6", "standard_nc12", "standard_nc24", "standard_nc24r"})
_MOST_NAMED = 6


@dataclass(frozen=True)
class ComputeReport:
    """What was found: `compute` is None when the workspace has no such cluster, which then can be created.

    `size` is a VM size, memory in GiB; `accepted` are the sizes of the region that the model can be tuned on.
    """

    name: str
    compute: Compute | None
    size: str
    gpus_per_node: int
    vcpus: int
    memory_gib: float
    price: Price | None
    model: FoundationModel
    accepted: tuple[str, ...]
    warnings: tuple[str, ...]


def validate_compute(
    services: Services, compute: str = "", *, model: str = "", version: str = "", size: str = ""
) -> ComputeReport:
    """Return what `compute` is and whether it can fine-tune the model; empty names mean the team's settings.

    `size` is what the cluster is expected to have, or would get if it is still to be created.
    Raises ComputeError for a cluster or size that cannot do it, naming the sizes that can.
    """
    name = compute or services.settings.compute
    base = choose_model(services, model, version)
    sizes = services.azure.vm_sizes()
    found = services.azure.compute(name)
    if found is not None:
        check_cluster(found, size)
    accepted = accepted_sizes(base, sizes, services)
    chosen = found.size if found is not None else size or (accepted[0] if accepted else "")
    vm = check_size(chosen, base, sizes, accepted, services)
    return ComputeReport(
        name=name,
        compute=found,
        size=vm.name,
        gpus_per_node=vm.gpus,
        vcpus=vm.vcpus,
        memory_gib=vm.memory_gib,
        price=price_of(services, vm.name),
        model=base,
        accepted=accepted,
        warnings=(*retirement(base, services.clock().date()).warnings, *_cluster_warnings(found)),
    )


def check_cluster(found: Compute, size: str) -> None:
    """Raise ComputeError when the cluster failed, is being deleted, or has another size than `size` (empty: any)."""
    if found.state in ("Failed", "Deleting", "Canceled"):
        raise ComputeError(
            f"The compute `{found.name}` cannot be used: it is {found.state}.",
            why=" ".join(found.errors),
            next="Delete it in the studio and create it again, or name another compute.",
        )
    if size and size.casefold() != found.size.casefold():
        raise ComputeError(
            f"The compute `{found.name}` has nodes of {found.size}, not {size}.",
            why="The size of a cluster cannot be changed.",
            next=f"Leave `size` out to use {found.size}, or name a new compute.",
        )


def accepted_sizes(model: FoundationModel, sizes: Sequence[VmSize], services: Services) -> tuple[str, ...]:
    """Return the region's sizes on which the model can be tuned, the smallest first.

    With an allow-list: what it names. Without: every size with GPUs but the denied ones. Retired sizes never.
    """
    today = services.clock().date()
    allowed = None if model.finetune_sizes is None else {one.casefold() for one in model.finetune_sizes}

    def accepts(vm: VmSize) -> bool:
        name = vm.name.casefold()
        listed = name in allowed if allowed is not None else vm.gpus > 0 and name not in _DENIED
        return listed and not retired(vm.name, today)

    return tuple(vm.name for vm in sorted(filter(accepts, sizes), key=lambda vm: (vm.gpus, vm.vcpus, vm.name)))


def check_size(
    size: str, model: FoundationModel, sizes: Sequence[VmSize], accepted: tuple[str, ...], services: Services
) -> VmSize:
    """Return the VM size `size`; raises ComputeError when the region or the model does not take it."""
    vm = next((one for one in sizes if one.name.casefold() == size.casefold()), None)
    if retired(size, services.clock().date()):
        raise ComputeError(
            f"{size} is retired.", why="Azure no longer runs machines of this size.", next=sizes_to_use(accepted)
        )
    if vm is None:
        nearest = process.extractOne(size, [one.name for one in sizes], score_cutoff=70)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        raise ComputeError(f"The region has no VM size `{size}`.", next=hint + sizes_to_use(accepted))
    if vm.name not in accepted:
        why = "It has no GPU." if vm.gpus == 0 else f"{model.name} is not made for it."
        raise ComputeError(f"{model.name} cannot be fine-tuned on {vm.name}.", why=why, next=sizes_to_use(accepted))
    return vm


def price_of(services: Services, size: str) -> Price | None:
    """Return what one node of `size` costs per hour in the workspace's region; None: unknown."""
    return services.prices.price_per_hour(size, services.azure.info().location)


def sizes_to_use(accepted: Sequence[str]) -> str:
    """Return the sentence that names the first of the accepted sizes."""
    if not accepted:
        return "No size of this region is accepted; choose another model or region."
    more = f" or {len(accepted) - _MOST_NAMED} others" if len(accepted) > _MOST_NAMED else ""
    return f"Accepted: {', '.join(accepted[:_MOST_NAMED])}{more}."


def _cluster_warnings(found: Compute | None) -> tuple[str, ...]:
    if found is None:
        return ()
    warnings = []
    if found.tier == "LowPriority":
        warnings.append(f"{found.name} has low-priority nodes: a job may be pre-empted and start again.")
    if found.min_instances:
        warnings.append(f"{found.name} keeps {found.min_instances} node(s) running, and costing, without any job.")
    return tuple(warnings)
