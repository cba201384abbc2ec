"""Clusters: what one is, and how it comes to be or not to be."""

import re
from datetime import datetime
from enum import StrEnum

import msgspec

from core.local_azure.server import operations, state_jobs
from core.local_azure.server.errors import MfeError
from core.local_azure.server.operations import Action, Operation, OperationKind
from core.local_azure.server.services import Services
from core.local_azure.server.sizes import Size, find_size, local_size
from core.local_azure.server.state_jobs import Job, JobStatus
from core.local_azure.server.store import Store

KIND = "compute"
FIRST = "this-machine"


class ProvisioningState(StrEnum):
    """Azure ML's states of a compute; a change starts at Creating again, as recorded."""

    CREATING = "Creating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DELETING = "Deleting"


class ScaleSettings(msgspec.Struct, frozen=True, rename="camel"):
    """How many nodes a cluster may have."""

    max_node_count: int = 1
    min_node_count: int = 0
    node_idle_time_before_scale_down: str = "PT120S"


class Options(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a compute that its owner sends, without secrets."""

    vm_size: str
    vm_priority: str = "Dedicated"
    scale_settings: ScaleSettings = ScaleSettings()
    remote_login_port_public_access: str = "NotSpecified"
    os_type: str = "Linux"
    enable_node_public_ip: bool = True
    isolated_network: bool = False


class Compute(msgspec.Struct, frozen=True, kw_only=True):
    """One AmlCompute cluster; `failure` tells why its provisioning failed."""

    name: str
    location: str
    options: Options
    created: datetime
    modified: datetime
    description: str | None = None
    disable_local_auth: bool = False
    tags: dict[str, str] | None = None
    state: ProvisioningState = ProvisioningState.CREATING
    failure: operations.Failure | None = None


def find(services: Services, name: str) -> Compute | None:
    """Return the compute called `name` in any case, or None."""
    return services.store.get(KIND, name.lower(), Compute)


def check(name: str, options: Options, former: Compute | None) -> Size:
    """Return the size a compute asks for; raises `MfeError` 400 for what is refused at once (the texts are ours)."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,31}", name):
        raise _refused(f"Compute name {name} is invalid: 2 to 32 letters, digits or hyphens, starting with a letter.")
    size = find_size(options.vm_size)
    if size is None:
        raise _refused(f"The specified VM size {options.vm_size} is not supported in the region of this workspace.")
    if former and former.options.vm_size.lower() != options.vm_size.lower():
        raise _refused("The VM size of an existing compute cannot be changed.")
    scale = options.scale_settings
    if scale.max_node_count < 1 or not 0 <= scale.min_node_count <= scale.max_node_count:
        raise _refused("The node counts are invalid: 0 <= minNodeCount <= maxNodeCount and maxNodeCount >= 1.")
    return size


def busy_nodes(store: Store, name: str) -> int:
    """Return how many nodes of the compute `name` are at work: each running job has one."""
    running = (job for job in store.list(state_jobs.KIND, Job) if job.status is JobStatus.RUNNING)
    return sum(job.compute.lower() == name.lower() for job in running)


def save(services: Services, compute: Compute) -> Compute:
    """Store and return `compute`."""
    services.store.put(KIND, compute.name.lower(), compute)
    return compute


def provision(services: Services, operation: Operation) -> None:
    """Carry out a creation, change or deletion; whether there is a vCPU for each of its first nodes decides."""
    name = operation.resource.rpartition("/")[2]
    with services.store.transaction():
        compute = find(services, name)
        if compute is None:
            operations.finish(services, operation)
        elif operation.action is Action.DELETE:
            services.store.delete(KIND, name.lower())
            operations.finish(services, operation)
        elif failure := _shortage(services, compute):
            _settle(services, compute, ProvisioningState.FAILED, failure)
            operations.fail(services, operation, failure.code, failure.message)
        else:
            _settle(services, compute, ProvisioningState.SUCCEEDED, None)
            operations.finish(services, operation)


def take_up(services: Services) -> None:
    """Give a new workspace its first compute, and go on with what a former server had begun."""
    with services.store.transaction():
        if services.store.get("seeded", FIRST, Seeded) is None:
            services.store.put("seeded", FIRST, Seeded())
            now = services.clock()
            options = Options(vm_size=local_size().name)
            location = services.workspace.location
            first = Compute(name=FIRST, location=location, options=options, created=now, modified=now)
            save(services, msgspec.structs.replace(first, state=ProvisioningState.SUCCEEDED))
    for operation in operations.unfinished(services, OperationKind.COMPUTE):
        services.workers.submit(provision, services, operation)


class Seeded(msgspec.Struct, frozen=True):
    """Marks that a new workspace got its first compute, so that a deleted one stays deleted."""


def _settle(services: Services, compute: Compute, state: ProvisioningState, failure: operations.Failure | None) -> None:
    save(services, msgspec.structs.replace(compute, state=state, failure=failure, modified=services.clock()))


def _shortage(services: Services, compute: Compute) -> operations.Failure | None:
    size = find_size(compute.options.vm_size)
    scarcity = services.faults.scarce("compute")
    if scarcity is None and size is not None and size.quota >= size.vcpus:
        return None
    vcpus = size.vcpus if size else 0
    quota = (
        f"The specified subscription has a total vCPU quota of 0 and cannot accomodate for at least 1 requested "
        f"managed compute node which maps to {vcpus} vCPUs"
    )
    code, message = (scarcity.code, scarcity.message) if scarcity else (None, None)
    return operations.Failure(code or "BadRequest", message or quota)


def _refused(message: str) -> MfeError:
    return MfeError(400, "UserError", message, inner=("BadArgument", "ArgumentInvalid"))
