"""On which VM sizes a model can be deployed."""

from collections.abc import Sequence
from datetime import date

from rapidfuzz import process

from core.azure.skus import retired
from core.azure.types import VmSize
from core.errors import ComputeError
from core.operations.deployable import Deployable
from core.operations.validate_compute import sizes_to_use
from core.services import Services


def check_instance_type(services: Services, model: Deployable, instance_type: str) -> VmSize:
    """Return the VM size to deploy on; without `instance_type` the team's setting, or the smallest that is accepted.

    Raises ComputeError that names the sizes that would be accepted.
    """
    today = services.clock().date()
    sizes = services.azure.vm_sizes()
    accepted = inference_sizes(model, sizes, today)
    wanted = instance_type or services.settings.instance_type
    found = next((vm for vm in accepted if vm.name.casefold() == wanted.casefold()), None)
    if found is not None:
        return found
    if not instance_type and accepted:
        return accepted[0]
    raise _refused(wanted, model, sizes, accepted, today)


def inference_sizes(model: Deployable, sizes: Sequence[VmSize], today: date) -> tuple[VmSize, ...]:
    """Return the sizes on which `model` can be deployed, the smallest first; machines without GPU only when listed."""
    listed = model.base.inference_sizes if model.base is not None else None
    allowed = None if listed is None else {one.casefold() for one in listed}

    def accepts(vm: VmSize) -> bool:
        return (vm.name.casefold() in allowed if allowed is not None else vm.gpus > 0) and not retired(vm.name, today)

    return tuple(sorted(filter(accepts, sizes), key=lambda vm: (vm.gpus, vm.vcpus, vm.name)))


def _refused(
    wanted: str, model: Deployable, sizes: Sequence[VmSize], accepted: Sequence[VmSize], today: date
) -> ComputeError:
    use = sizes_to_use([vm.name for vm in accepted])
    if retired(wanted, today):
        return ComputeError(f"{wanted} is retired.", why="Azure no longer runs machines of this size.", next=use)
    if not any(vm.name.casefold() == wanted.casefold() for vm in sizes):
        nearest = process.extractOne(wanted, [vm.name for vm in sizes], score_cutoff=70)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        return ComputeError(f"The region has no VM size `{wanted}`.", next=hint + use)
    return ComputeError(f"{model.name} cannot be deployed on {wanted}.", why="It is not made for that size.", next=use)
