"""What Azure remembers, in memory: for the exhaustive table of crashes only, everything else runs against a server.

It is no kinder than the service: what was created twice is counted twice, and what changes cannot be changed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from core.azure.types import (
    DeploymentRequest,
    DeploymentSnapshot,
    EndpointSnapshot,
    JobRequest,
    JobSnapshot,
    RegisteredModel,
    TrainingMetrics,
)
from core.errors import AzureUnavailable

NEXT_JOB_STATE = {"NotStarted": "Running", "Running": "Completed", "CancelRequested": "Canceled"}
SETTLED = {"Creating": "Succeeded", "Updating": "Succeeded"}


class Crash(BaseException):
    """The bot's process ends here."""


class Remote:
    """The remote side of a Workspace; `next_fault` strikes the next call that changes something."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        self.models: dict[tuple[str, str], RegisteredModel] = {}
        self.endpoints: dict[str, EndpointSnapshot] = {}
        self.deployments: dict[str, DeploymentSnapshot] = {}
        self.created: Counter[str] = Counter()
        self.next_fault: tuple[str, BaseException] | None = None

    def move(self) -> None:
        """Let time pass on Azure: everything that changes comes one state further."""
        self.jobs = {name: NEXT_JOB_STATE.get(state, state) for name, state in self.jobs.items()}
        gone = [name for name, found in self.endpoints.items() if found.state == "Deleting"]
        for name in gone:
            del self.endpoints[name]
            self.deployments.pop(name, None)
        self.endpoints = {n: replace(e, state=SETTLED.get(e.state, e.state)) for n, e in self.endpoints.items()}
        self.deployments = {n: replace(d, state=SETTLED.get(d.state, d.state)) for n, d in self.deployments.items()}

    def _strike(self, moment: str) -> None:
        if self.next_fault is not None and self.next_fault[0] == moment:
            error, self.next_fault = self.next_fault[1], None
            raise error

    def submit(self, request: JobRequest) -> JobSnapshot:
        self._strike("before")
        if request.name not in self.jobs:
            self.jobs[request.name] = "NotStarted"
            self.created[f"job {request.name}"] += 1
        self._strike("after")
        return JobSnapshot(request.name, self.jobs[request.name])

    def job(self, name: str) -> JobSnapshot | None:
        return JobSnapshot(name, self.jobs[name]) if name in self.jobs else None

    def metrics(self, name: str) -> TrainingMetrics:
        return TrainingMetrics()

    def begin_cancel(self, name: str) -> None:
        self._strike("before")
        if self.jobs[name] not in ("Completed", "Failed", "Canceled"):
            self.jobs[name] = "CancelRequested"
        self._strike("after")

    def register_model(self, name: str, version: str, job: str, tags: Mapping[str, str], text: str) -> RegisteredModel:
        self._strike("before")
        if (name, version) not in self.models:
            self.models[name, version] = RegisteredModel(name, version, f"azureml:{name}:{version}", dict(tags))
            self.created[f"model {name}"] += 1
        self._strike("after")
        return self.models[name, version]

    def endpoint(self, name: str) -> EndpointSnapshot | None:
        return self.endpoints.get(name)

    def begin_create_endpoint(self, name: str, tags: Mapping[str, str], text: str) -> None:
        self._strike("before")
        if name not in self.endpoints:
            self.endpoints[name] = EndpointSnapshot(name, "Creating", None, {}, dict(tags))
            self.created[f"endpoint {name}"] += 1
        self._strike("after")

    def deployment(self, endpoint: str, name: str) -> DeploymentSnapshot | None:
        return self.deployments.get(endpoint)

    def begin_create_deployment(self, request: DeploymentRequest) -> None:
        self._settled(request.endpoint)
        self._strike("before")
        if request.endpoint not in self.deployments:
            self.deployments[request.endpoint] = DeploymentSnapshot(request.name, "Creating", request.instance_type, 1)
            self.created[f"deployment {request.endpoint}"] += 1
        self._strike("after")

    def begin_set_traffic(self, endpoint: str, deployment: str, percent: int) -> None:
        self._settled(endpoint)
        assert self.deployments[endpoint].state == "Succeeded", "traffic only after the deployment succeeded"
        self._strike("before")
        self.endpoints[endpoint] = replace(self.endpoints[endpoint], state="Updating", traffic={deployment: percent})
        self._strike("after")

    def begin_delete_endpoint(self, name: str) -> None:
        found = self.endpoints.get(name)
        if found is None or found.state == "Deleting":
            return
        self._settled(name)
        if name in self.deployments and self.deployments[name].state == "Creating":
            raise AzureUnavailable("The deployment is being created.")
        self._strike("before")
        self.endpoints[name] = replace(found, state="Deleting")
        self._strike("after")

    def requests_since(self, endpoint: str, since: datetime, until: datetime) -> int | None:
        return 0

    def _settled(self, endpoint: str) -> None:
        if self.endpoints[endpoint].state != "Succeeded":
            raise AzureUnavailable("The endpoint is being changed.")
