"""Endpoints: created, deployed, given all traffic once the deployment succeeded, watched, and deleted until gone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from core.azure.types import DeploymentRequest, DeploymentSnapshot, EndpointSnapshot
from core.errors import AzureError, ConflictError, UserError
from core.events import EventKind
from core.operations.costs import billed_hours, cost_per_day, cost_per_hour, cost_so_far
from core.reconciler.steps import Outcome, Step, Told, failure_of, iso
from core.records.tables import Endpoint
from core.services import Services

CHANGING = frozenset({"Creating", "Updating", "Scaling", "Deleting"})
FAILED = frozenset({"Failed", "Canceled"})
GONE = "Gone"
TAG = "finetune-bot"
"""On every endpoint that we create, with the id of its plan: one without it is somebody else's."""

_LOG_LINES = 30
_METRICS_GRAIN = timedelta(minutes=1)


def next_step(endpoint: Endpoint, now: datetime) -> Step | None:
    """Return what is to be done about an endpoint; None: nothing any more."""
    if endpoint.state == GONE:
        return None
    if endpoint.state in CHANGING or endpoint.deployment_state in CHANGING:
        return Step.OBSERVE
    if endpoint.wanted == "gone":
        return Step.DELETE
    if not endpoint.state:
        return Step.CREATE_ENDPOINT if endpoint.failure is None else None
    if endpoint.failure is not None or endpoint.deployed_at is not None or endpoint.deployment_state == GONE:
        return Step.WATCH
    if endpoint.state != "Succeeded":
        return Step.OBSERVE
    if not endpoint.deployment_state:
        return Step.CREATE_DEPLOYMENT
    return Step.SET_TRAFFIC if endpoint.deployment_state == "Succeeded" else Step.OBSERVE


def carry_out(services: Services, endpoint: Endpoint, step: Step) -> Outcome:
    """Do `step` on Azure and return its outcome; may be repeated."""
    if step is Step.CREATE_ENDPOINT:
        return _create(services, endpoint)
    if step is Step.CREATE_DEPLOYMENT:
        return _deploy(services, endpoint)
    if step is Step.SET_TRAFFIC:
        services.azure.begin_set_traffic(endpoint.id, endpoint.deployment, 100)
        return _look(services, endpoint, requests=False)
    if step is Step.DELETE:
        return _delete(services, endpoint)
    return _look(services, endpoint, requests=step is Step.WATCH)


def given_up(endpoint: Endpoint, step: Step, error: UserError) -> Outcome:
    """Return the outcome of a step that Azure refused for good."""
    stage = "endpoint" if step is Step.CREATE_ENDPOINT else "deployment"
    failure = failure_of(error, stage=stage)
    return Outcome({"failure": failure}, (Told(EventKind.DEPLOYMENT_FAILED, failure),))


def observed(
    endpoint: Endpoint,
    snapshot: EndpointSnapshot | None,
    deployment: DeploymentSnapshot | None,
    now: datetime,
    log: Sequence[str] = (),
) -> Outcome:
    """Return what is new about an endpoint; None: Azure has it, or its deployment, no more.

    `log` are the last lines of a deployment that has just failed.
    """
    if snapshot is None:
        return _gone(endpoint, now)
    changes: dict[str, Any] = {
        "state": snapshot.state,
        "scoring_uri": snapshot.scoring_uri or endpoint.scoring_uri,
        "traffic": snapshot.traffic.get(endpoint.deployment, 0),
    }
    if endpoint.deployment_state:
        changes["deployment_state"] = deployment.state if deployment is not None else GONE
        if deployment is None and endpoint.billing_stopped_at is None:
            changes["billing_stopped_at"] = now
    ready = snapshot.state == "Succeeded" and changes.get("deployment_state") == "Succeeded"
    if ready and changes["traffic"] == 100 and endpoint.deployed_at is None and endpoint.wanted == "up":
        changes["deployed_at"] = now
    failure = _failure(endpoint, snapshot, deployment) if endpoint.failure is None else None
    if failure is not None:
        changes["failure"] = {**failure, "log": list(log)}
    changes = {name: value for name, value in changes.items() if getattr(endpoint, name) != value}
    return Outcome(changes, tuple(_told(endpoint, changes, now)))


def _told(endpoint: Endpoint, changes: dict[str, Any], now: datetime) -> list[Told]:
    """Return the events of the changes, in the order in which these happened."""
    told = []
    if changes.get("state") == "Succeeded" and not endpoint.deployment_state:
        told.append(Told(EventKind.ENDPOINT_CREATED, {"name": endpoint.id}))
    if changes.get("deployment_state") == "Succeeded" and endpoint.deployed_at is None:
        told.append(Told(EventKind.DEPLOYMENT_SUCCEEDED, {"deployment": endpoint.deployment}))
    if "failure" in changes:
        told.append(Told(EventKind.DEPLOYMENT_FAILED, {**changes["failure"], **_costs(endpoint, now)}))
    if "deployed_at" in changes:
        took = (now - endpoint.created_at).total_seconds()
        told.append(Told(EventKind.ENDPOINT_DEPLOYED, {"seconds": took, **_costs(endpoint, now)}))
    seen: dict[str, Any] = {name: changes[name] for name in ("state", "deployment_state", "traffic") if name in changes}
    if seen and not told:
        told.append(Told(EventKind.ENDPOINT_OBSERVED, seen))
    return told


def _gone(endpoint: Endpoint, now: datetime) -> Outcome:
    """Return the outcome of seeing that the endpoint is gone, which stops its cost."""
    changes: dict[str, Any] = {"state": GONE, "traffic": 0, "scoring_uri": ""}
    if endpoint.deployment_state:
        changes["deployment_state"] = GONE
    if endpoint.billing_started_at is not None and endpoint.billing_stopped_at is None:
        changes["billing_stopped_at"] = now
    kind = EventKind.ENDPOINT_DELETED if endpoint.wanted == "gone" else EventKind.ENDPOINT_GONE
    stopped = iso(changes.get("billing_stopped_at", endpoint.billing_stopped_at))
    return Outcome(changes, (Told(kind, {"billing_stopped_at": stopped, **_costs(endpoint, now)}),))


def _costs(endpoint: Endpoint, now: datetime) -> dict[str, Any]:
    return {
        "cost_so_far": cost_so_far(endpoint, now),
        "cost_per_hour": cost_per_hour(endpoint),
        "cost_per_day": cost_per_day(endpoint),
        "currency": endpoint.currency,
        "hours": round(billed_hours(endpoint, now), 3),
    }


def _failure(
    endpoint: Endpoint, snapshot: EndpointSnapshot, deployment: DeploymentSnapshot | None
) -> dict[str, Any] | None:
    if endpoint.deployment_state and deployment is not None and deployment.state in FAILED:
        code, _, message = deployment.error.partition(": ")
        code, message = (code, message) if message and code.isidentifier() else ("", deployment.error)
        return {"code": code, "message": message or "Azure does not say why.", "stage": "deployment"}
    if not endpoint.deployment_state and snapshot.state in FAILED:
        return {"code": "", "message": f"The endpoint's creation ended as {snapshot.state}.", "stage": "endpoint"}
    return None


def _create(services: Services, endpoint: Endpoint) -> Outcome:
    existing = services.azure.endpoint(endpoint.id)
    if existing is None:
        tags = {
            TAG: endpoint.plan_id,
            "owner": endpoint.owner,
            "model": f"{endpoint.model_name}:{endpoint.model_version}",
        }
        described = f"{endpoint.model_name} {endpoint.model_version}, asked for in Slack"
        services.azure.begin_create_endpoint(endpoint.id, tags, described)
        return _moved("Creating")
    if existing.tags.get(TAG) != endpoint.plan_id:
        raise ConflictError(
            f"An endpoint `{endpoint.id}` exists already, and it is not ours.", next="Deploy under another name."
        )
    return observed(endpoint, existing, None, services.clock())


def _deploy(services: Services, endpoint: Endpoint) -> Outcome:
    """Ask for the deployment; it is billed from this moment, whether or not it succeeds."""
    now = services.clock()
    if services.azure.deployment(endpoint.id, endpoint.deployment) is None:
        services.azure.begin_create_deployment(
            DeploymentRequest(
                endpoint=endpoint.id,
                name=endpoint.deployment,
                model_id=endpoint.model_id,
                instance_type=endpoint.instance_type,
                instance_count=endpoint.instance_count,
                tags={TAG: endpoint.plan_id},
            )
        )
    changes = {"deployment_state": "Creating", "billing_started_at": endpoint.billing_started_at or now}
    return Outcome(changes, (Told(EventKind.ENDPOINT_OBSERVED, {"deployment_state": "Creating"}),))


def _delete(services: Services, endpoint: Endpoint) -> Outcome:
    if services.azure.endpoint(endpoint.id) is None:
        return _gone(endpoint, services.clock())
    services.azure.begin_delete_endpoint(endpoint.id)
    return _moved("Deleting")


def _moved(state: str) -> Outcome:
    return Outcome({"state": state}, (Told(EventKind.ENDPOINT_OBSERVED, {"state": state}),))


def _look(services: Services, endpoint: Endpoint, *, requests: bool) -> Outcome:
    now = services.clock()
    snapshot = services.azure.endpoint(endpoint.id)
    deployment = None
    if snapshot is not None and endpoint.deployment_state:
        deployment = services.azure.deployment(endpoint.id, endpoint.deployment)
    failed = deployment is not None and deployment.state in FAILED and endpoint.failure is None
    outcome = observed(endpoint, snapshot, deployment, now, _log(services, endpoint) if failed else ())
    if requests and snapshot is not None and endpoint.deployed_at is not None:
        return _with_requests(services, endpoint, outcome, now)
    return outcome


def _with_requests(services: Services, endpoint: Endpoint, outcome: Outcome, now: datetime) -> Outcome:
    """Add what Azure's metrics say about requests since the last one that we know of."""
    since = max(moment for moment in (endpoint.deployed_at, endpoint.last_request_at) if moment is not None)
    count = (
        services.azure.requests_since(endpoint.id, since + _METRICS_GRAIN, now) if now - since > _METRICS_GRAIN else 0
    )
    changes: dict[str, Any] = {"requests_known": count is not None}
    if count:
        changes |= {"last_request_at": now, "reminded_at": None}
    changes = {name: value for name, value in changes.items() if getattr(endpoint, name) != value}
    told = outcome.events
    if "requests_known" in changes and not told:
        told = (Told(EventKind.ENDPOINT_OBSERVED, {"requests_known": changes["requests_known"]}),)
    return Outcome({**outcome.changes, **changes}, told)


def _log(services: Services, endpoint: Endpoint) -> list[str]:
    try:
        return list(services.azure.deployment_logs(endpoint.id, endpoint.deployment, _LOG_LINES))
    except AzureError:
        return []
