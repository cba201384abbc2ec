"""Jobs as Azure ML's front end writes them (recorded 2023)."""

import json
from datetime import datetime
from typing import Any

from core.local_azure.server.state_jobs import Job, JobStatus, StageRun
from core.local_azure.server.wire import mfe_time, system_data
from core.local_azure.server.workspace import Workspace

Json = dict[str, Any]


def job_json(job: Job, workspace: Workspace) -> Json:
    """Return a pipeline job as PUT and GET answer it."""
    request = job.request
    properties: Json = {
        "description": request.description,
        "tags": request.tags,
        "properties": job_properties(job),
        "displayName": request.display_name or job.name,
        "status": job.status.value,
        "experimentName": request.experiment_name,
        "services": _services(job, workspace),
        "computeId": request.compute_id,
        "isArchived": request.is_archived,
        "identity": None,
        "componentId": None,
        "notificationSetting": None,
        "secretsConfiguration": None,
        "jobType": "Pipeline",
        "settings": request.settings,
        "jobs": request.jobs,
        "inputs": request.inputs,
        "outputs": {name: _output(job, name) for name in request.outputs},
        "sourceJobId": None,
    }
    return {**_resource(job.name, workspace), "properties": properties, "systemData": system_data(job.created_at)}


def child_json(run: StageRun, workspace: Workspace) -> Json:
    """Return a child run as the jobs route answers it: Azure ML leaves out `properties` altogether."""
    return {**_resource(run.name, workspace), "systemData": system_data(run.created_at)}


def job_properties(job: Job) -> dict[str, str]:
    """Return the properties of a job with those that the service adds."""
    settings = job.request.settings
    added = {
        "azureml.DevPlatv2": "true",
        "azureml.DatasetAccessMode": "Asset",
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": "MFE",
        "runType": "HTTP",
        "azureml.parameters": json.dumps(parameters(job)),
        "azureml.continue_on_step_failure": str(settings.get("continue_on_step_failure", True)),
        "azureml.continue_on_failed_optional_input": "True",
        "azureml.enforceRerun": str(settings.get("force_rerun", False)),
        "azureml.defaultDataStoreName": "workspaceblobstore",
        "azureml.pipelineComponent": "pipelinerun",
    }
    if job.request.compute_id:
        added["azureml.defaultComputeName"] = job.request.compute_id.rpartition("/")[2]
    if job.started_at:
        execution = {
            "StartTime": mfe_time(job.started_at),
            "EndTime": time_or_none(job.ended_at),
            "Status": _stage_word(job.status),
        }
        added["azureml.pipelines.stages"] = json.dumps({"Initialization": None, "Execution": execution})
    return {**job.request.properties, **added}


def _resource(name: str, workspace: Workspace) -> Json:
    identifier = f"{workspace.resource_id}/jobs/{name}"
    return {"id": identifier, "name": name, "type": "Microsoft.MachineLearningServices/workspaces/jobs"}


def _services(job: Job, workspace: Workspace) -> Json:
    studio = f"{workspace.url}/runs/{job.name}?wsid={workspace.resource_id}"
    empty = dict.fromkeys(("port", "status", "errorMessage", "properties", "nodes"))
    return {
        "Tracking": {"jobServiceType": "Tracking", "endpoint": f"{workspace.tracking_uri}?", **empty},
        "Studio": {"jobServiceType": "Studio", "endpoint": studio, **empty},
    }


def _output(job: Job, name: str) -> Json:
    output = job.request.outputs[name]
    # Where an output lies is told by run history only, also after the job has completed.
    return {
        "description": output.description,
        "uri": output.uri,
        "assetName": output.asset_name,
        "assetVersion": output.asset_version,
        "autoDeleteSetting": None,
        "mode": output.mode,
        "jobOutputType": output.job_output_type,
    }


def parameters(job: Job) -> dict[str, str]:
    """Return the literal inputs of the pipeline itself."""
    inputs = job.request.inputs.items()
    return {name: str(value["value"]) for name, value in inputs if isinstance(value, dict) and "value" in value}


def _stage_word(status: JobStatus) -> str:
    return "Finished" if status is JobStatus.COMPLETED else status.value


def time_or_none(moment: datetime | None) -> str | None:
    """Return `moment` as the front end writes it, None for none."""
    return mfe_time(moment) if moment else None
