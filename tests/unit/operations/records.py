"""Records as the operations write them, for tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.azure.types import Price
from core.operations.estimates import Estimate
from core.operations.parameters import Parameter
from core.operations.plan_finetune import FinetunePlan
from core.operations.stored import to_stored
from core.records.tables import Endpoint, Job

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_finetune_plan(**changes: Any) -> FinetunePlan:
    """A plan of the walkthrough's fine-tune."""
    fields: dict[str, Any] = {
        "job_id": "ft-aaaaaaaa",
        "display_name": "Phi-4-ultrachat_200k-bs1-cosine-ds2-lora-save_limit1-seqlen-1",
        "experiment_name": "chat_completion_Phi-4",
        "model_name": "Phi-4",
        "model_version": "7",
        "model_id": "azureml://registries/azureml/models/Phi-4/versions/7",
        "context_length": 16384,
        "component_name": "chat_completion_pipeline",
        "component_version": "0.0.82",
        "component_id": "azureml://registries/azureml/components/chat_completion_pipeline/versions/0.0.82",
        "compute": "gpu-cluster",
        "size": "Standard_NC24ads_A100_v4",
        "gpus_per_node": 1,
        "nodes": 1,
        "price": Price(3.673, "USD", "Azure retail prices", NOW.date()),
        "dataset_id": "data-1",
        "dataset_name": "ultrachat_200k",
        "dataset_sha256": "ab" * 32,
        "train_rows": 900,
        "validation_rows": 50,
        "test_rows": 50,
        "train_path": Path("/data/train.jsonl"),
        "validation_path": Path("/data/validation.jsonl"),
        "test_path": Path("/data/test.jsonl"),
        "parameters": (Parameter("num_train_epochs", "2", "user"), Parameter("optim", "adamw_torch", "component")),
        "dropped": (),
        "warnings": (),
        "batch_size": 1,
        "steps": 1800,
        "estimate": Estimate(None, None, "unknown"),
    }
    return FinetunePlan(**{**fields, **changes})


def a_job(**changes: Any) -> Job:
    """A job as it is before it was submitted, with `changes`."""
    fields: dict[str, Any] = {
        "id": "ft-aaaaaaaa",
        "plan_id": "plan-aaaaaaaa",
        "dataset_id": "data-1",
        "wanted": "registered",
        "spec": to_stored(a_finetune_plan()),
        "state": "",
        "stages": [],
        "step": 0,
        "losses": [],
        "studio_url": "",
        "model_name": "",
        "model_version": "",
        "model_id": "",
        "attempts": 0,
        "step_error": "",
        "claimed_by": "",
        "owner": "UANA",
        "team": "T1",
        "channel": "C1",
        "thread": "",
        "created_at": NOW,
        "next_at": NOW,
    }
    return Job(**{**fields, **changes})


def an_endpoint(**changes: Any) -> Endpoint:
    """An endpoint as it is before it was created, with `changes`."""
    fields: dict[str, Any] = {
        "id": "phi-4-aaaaaaaa",
        "plan_id": "plan-aaaaaaaa",
        "wanted": "up",
        "deployment": "demo",
        "model_name": "phi-4-ultrachat",
        "model_version": "1",
        "model_id": "azureml:phi-4-ultrachat:1",
        "instance_type": "Standard_NC24ads_A100_v4",
        "instance_count": 1,
        "price_per_hour": 3.5,
        "currency": "USD",
        "price_source": "",
        "state": "",
        "deployment_state": "",
        "traffic": 0,
        "scoring_uri": "",
        "requests_known": False,
        "attempts": 0,
        "step_error": "",
        "claimed_by": "",
        "owner": "UANA",
        "team": "T1",
        "channel": "C1",
        "thread": "",
        "created_at": NOW,
        "next_at": NOW,
    }
    return Endpoint(**{**fields, **changes})


def serving(**changes: Any) -> Endpoint:
    """An endpoint that serves since an hour and costs since then, last looked at just now."""
    up: dict[str, Any] = {
        "state": "Succeeded",
        "deployment_state": "Succeeded",
        "traffic": 100,
        "billing_started_at": NOW - HOUR,
        "deployed_at": NOW - HOUR,
        "requests_known": True,
        "observed_at": NOW,
    }
    return an_endpoint(**{**up, **changes})
