"""Plan a fine-tune: every parameter with its source, compute, the dataset's hash, steps, time and price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.azure.types import Component, Price
from core.datasets import DatasetReport
from core.errors import ComputeError
from core.operations.estimates import Estimate, batch_size, estimate, training_steps
from core.operations.parameters import Dropped, Parameter, Resolved, resolve_parameters
from core.operations.plans import new_plan, new_token, read_plan
from core.operations.prepare_dataset import dataset_name, dataset_request, ready_dataset
from core.operations.validate_compute import ComputeReport, validate_compute
from core.records.tables import Dataset, Job, Plan, PlanKind
from core.services import Requester, Services

_JOBS_READ = 20


@dataclass(frozen=True)
class FinetuneRequest:
    """What a person asks for; empty values mean the team's settings and the person's newest dataset."""

    model: str = ""
    version: str = ""
    compute: str = ""
    dataset: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    """Shown in the studio; empty: by the walkthrough's formula."""


@dataclass(frozen=True)
class FinetunePlan:
    """A fine-tune as it will be submitted; the body of its plan, and later the job's `spec`.

    `price` is of one node per hour; `estimate` says that it is one, or that nothing is known.
    """

    job_id: str
    display_name: str
    experiment_name: str
    model_name: str
    model_version: str
    model_id: str
    context_length: int | None
    component_name: str
    component_version: str
    component_id: str
    compute: str
    size: str
    gpus_per_node: int
    nodes: int
    price: Price | None
    dataset_id: str
    dataset_name: str
    dataset_sha256: str
    train_rows: int
    validation_rows: int
    test_rows: int
    train_path: Path
    validation_path: Path
    test_path: Path
    parameters: tuple[Parameter, ...]
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]
    batch_size: int
    steps: int
    estimate: Estimate

    @classmethod
    def of(cls, plan: Plan) -> "FinetunePlan":
        """Return the body of `plan`."""
        return read_plan(plan, cls)


def plan_finetune(services: Services, requester: Requester, request: FinetuneRequest) -> Plan:
    """Check everything that can be checked before a GPU node is paid for, and store what would be submitted.

    Raises InputError, NotFoundError, ConflictError, ComputeError, ModelError or AzureError.
    """
    dataset, report = ready_dataset(services, requester, request.dataset)
    compute = validate_compute(services, request.compute, model=request.model, version=request.version)
    component = services.azure.component(services.settings.component, services.settings.component_version or None)
    parameters = resolve_parameters(component, compute.model, request.parameters)
    _check_nodes(compute, parameters.whole("num_nodes_finetune", 1))
    token = new_token()
    jobs = services.store.find(Job, Job.state == "Completed", limit=_JOBS_READ)
    body = _body(f"ft-{token}", request, dataset, report, compute, component, parameters, jobs)
    return new_plan(services, requester, PlanKind.FINETUNE, body, token=token)


def display_name(model: str, dataset: str, parameters: Resolved, gpus: int, nodes: int) -> str:
    """Return the job's name in the studio, by the walkthrough's formula with the dataset's name in it."""
    deepspeed = f"ds{parameters.value('deepspeed_stage')}" if parameters.value("apply_deepspeed") == "true" else "nods"
    lora = "lora" if parameters.value("apply_lora") == "true" else "nolora"
    return (
        f"{model}-{dataset}-bs{batch_size(parameters, gpus, nodes)}-{parameters.value('lr_scheduler_type')}"
        f"-{deepspeed}-{lora}-save_limit{parameters.value('save_total_limit')}"
        f"-seqlen{parameters.value('max_seq_length')}"
    )


def _check_nodes(compute: ComputeReport, nodes: int) -> None:
    """Raise ComputeError when the cluster is missing or never has `nodes` nodes: the job would wait in its queue."""
    if compute.compute is None:
        raise ComputeError(
            f"There is no compute `{compute.name}` in the workspace.",
            next=f"`/ft-validate {compute.name}` shows what it would cost and creates it.",
        )
    if nodes > compute.compute.max_instances:
        raise ComputeError(
            f"`num_nodes_finetune` is {nodes}, and `{compute.name}` has at most {compute.compute.max_instances} nodes.",
            next="Use fewer nodes, or raise the cluster's maximum in the studio.",
        )


def _body(
    job_id: str,
    request: FinetuneRequest,
    dataset: Dataset,
    report: DatasetReport,
    compute: ComputeReport,
    component: Component,
    parameters: Resolved,
    jobs: Sequence[Job],
) -> FinetunePlan:
    model, gpus = compute.model, compute.gpus_per_node
    nodes = parameters.whole("num_nodes_finetune", 1)
    steps = training_steps(parameters, report.train_rows, gpus, nodes)
    name = dataset_name(dataset_request(dataset).source)
    return FinetunePlan(
        job_id=job_id,
        display_name=request.name or display_name(model.name, name, parameters, gpus, nodes),
        experiment_name=f"chat_completion_{model.name}",
        model_name=model.name,
        model_version=model.version,
        model_id=model.id,
        context_length=model.context_length,
        component_name=component.name,
        component_version=component.version,
        component_id=component.id,
        compute=compute.name,
        size=compute.size,
        gpus_per_node=gpus,
        nodes=nodes,
        price=compute.price,
        dataset_id=dataset.id,
        dataset_name=name,
        dataset_sha256=report.sha256,
        train_rows=report.train_rows,
        validation_rows=report.validation_rows,
        test_rows=report.test_rows,
        train_path=report.train_path,
        validation_path=report.validation_path,
        test_path=report.test_path,
        parameters=parameters.values,
        dropped=parameters.dropped,
        warnings=(*compute.warnings, *parameters.warnings),
        batch_size=batch_size(parameters, gpus, nodes),
        steps=steps,
        estimate=estimate(jobs, model.name, compute.size, steps=steps, nodes=nodes, price=compute.price),
    )
