"""Computes, models and deployments as a local Azure ML workspace has them, checked before anything is asked for."""

import sys
from collections.abc import Iterator

import pytest

from core.clock import system_clock
from core.errors import ComputeError, ConflictError, InputError, ModelError
from core.local_azure.server.processes import Engine
from core.operations.choose_model import choose_model, retirement
from core.operations.create_compute import ComputePlan, plan_compute
from core.operations.deploy_model import DeployPlan, DeployRequest, plan_deploy
from core.operations.validate_compute import validate_compute
from core.records.store import Store
from core.services import Requester, Services
from core.settings import Settings
from tests.contract.azure_room import connected, found_by_environment

ANA = Requester("UANA", "C1")
SMALL, PHI = "SmolLM2-135M-Instruct", "Phi-3-mini-4k-instruct"
# Nothing in this file starts a job or a deployment.
ENGINE = Engine(stage=(sys.executable, "-c", ""), serve=(sys.executable, "-c", ""))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with found_by_environment(tmp_path_factory.mktemp("azure"), ENGINE) as azure:
        settings = Settings(folder=tmp_path_factory.mktemp("bot"), model=SMALL, compute="this-machine")
        store = Store.open(settings.database)
        yield Services(settings, store, connected(azure), system_clock)
        store.close()


def test_compute_that_can(services):
    """A compute that can tune the model says its size, GPUs and what the model is."""
    report = validate_compute(services)
    assert (report.name, report.model.name) == ("this-machine", SMALL)
    assert report.compute is not None
    assert report.size in report.accepted
    assert report.vcpus >= 1


def test_machine_without_gpu_only_where_listed(services):
    """Machines without a GPU tune only models whose own allow-list names them; the refusal names what is accepted."""
    assert validate_compute(services, size="Local_CPU").gpus_per_node == 0
    with pytest.raises(ComputeError, match="cannot be fine-tuned on Local_CPU") as caught:
        validate_compute(services, "this-machine", model=PHI)
    assert "Standard_NC24ads_A100_v4" in caught.value.next


def test_compute_that_is_missing(services):
    """A compute that is not there is no error: the report says what it would be."""
    report = validate_compute(services, "new-cluster", model=PHI, size="standard_nc24ads_a100_v4")
    assert report.compute is None
    assert (report.size, report.gpus_per_node) == ("Standard_NC24ads_A100_v4", 1)
    assert report.price is not None
    assert any("retired for fine-tuning on 2025-08-30" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("compute", "size", "sentence", "hint"),
    [
        ("new", "Standard_NC24rs_v3", "is retired", "Accepted:"),
        ("new", "Standard_NC24ads_A100", "no VM size", "Did you mean Standard_NC24ads_A100_v4?"),
        ("new", "Standard_NC4as_T4_v3", "cannot be fine-tuned on", "Accepted:"),
        ("this-machine", "Standard_NC24ads_A100_v4", "has nodes of", "name a new compute"),
    ],
)
def test_sizes_that_cannot(services, compute, size, sentence, hint):
    """A size that is retired, unknown, not for the model or not the cluster's is refused with what is accepted."""
    with pytest.raises(ComputeError, match=sentence) as caught:
        validate_compute(services, compute, model=PHI, size=size)
    assert hint in caught.value.next


def test_unknown_model(services):
    """A model the registry does not have is answered with the nearest name."""
    with pytest.raises(ModelError, match="no model"):
        choose_model(services, "SmolLM2-135M")
    found = choose_model(services, PHI)
    assert retirement(found, system_clock().date()).finetune_ended


def test_compute_plan(services):
    """A planned compute says its size and price, and is refused under a name in use or one that Azure does not take."""
    body = ComputePlan.of(plan_compute(services, ANA, "a100s", "Standard_NC24ads_A100_v4", model=PHI, max_instances=2))
    assert (body.size, body.tier, body.max_instances) == ("Standard_NC24ads_A100_v4", "Dedicated", 2)
    with pytest.raises(ConflictError, match="exists already"):
        plan_compute(services, ANA, "this-machine")
    for name in ("1up", "a", "x" * 33, "a_b", "a-"):
        with pytest.raises(InputError, match="cannot be the name"):
            plan_compute(services, ANA, name)


def test_deploy_plan(services):
    """A planned deployment of a base model says its endpoint's name, size and price."""
    body = DeployPlan.of(plan_deploy(services, ANA, DeployRequest(model=PHI)))
    assert body.endpoint.startswith("phi-3-mini-4k-instru")
    assert (body.instance_type, body.job_id, body.model_name) == ("Standard_NC24ads_A100_v4", None, PHI)
    assert body.price_per_day == pytest.approx(body.price_per_hour * 24)
    assert any("retired for deployment" in warning for warning in body.warnings)


@pytest.mark.parametrize(
    ("request_", "error", "sentence"),
    [
        (DeployRequest(model=PHI, instance_type="Standard_NC4as_T4_v3"), ComputeError, "cannot be deployed on"),
        (DeployRequest(model=PHI, instance_type="Standard_NC6s_v3"), ComputeError, "is retired"),
        (DeployRequest(model=PHI, instance_type="Standard_Nothing"), ComputeError, "no VM size"),
        (DeployRequest(model=SMALL, instance_count=0), InputError, "0 instances"),
        (DeployRequest(model=SMALL, name="two--dashes"), InputError, "cannot be the name"),
        (DeployRequest(model=SMALL, name="x" * 33), InputError, "cannot be the name"),
        (DeployRequest(model="nothing-at-all"), ModelError, "no model"),
        (DeployRequest(), InputError, "No model is named"),
    ],
)
def test_deployments_that_cannot(services, request_, error, sentence):
    """A deployment that Azure would refuse is refused before anything is asked for."""
    with pytest.raises(error, match=sentence):
        plan_deploy(services, ANA, request_)
