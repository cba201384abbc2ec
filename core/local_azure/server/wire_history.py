"""Runs as run history writes them (recorded 2022 and 2023)."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from core.local_azure.server.state_jobs import OUTPUT_STAGE, Job, JobStatus, StageRun
from core.local_azure.server.wire import mfe_time
from core.local_azure.server.wire_jobs import Json, job_properties, parameters, time_or_none
from core.local_azure.server.wire_mlflow import experiment_id
from core.local_azure.server.workspace import Workspace
from core.local_azure.work import StageError

_DATA_TYPES = {
    "uri_folder": "UriFolder",
    "uri_file": "UriFile",
    "mltable": "MLTable",
    "mlflow_model": "MLFlowModel",
    "custom_model": "CustomModel",
    "triton_model": "TritonModel",
}
"""The data plane's names of the types of inputs and outputs."""

_PIPELINE_LOGS = ("executionlogs", "stderrlogs", "stdoutlogs")


def run_json(job: Job, run: StageRun | None, workspace: Workspace) -> Json:
    """Return a run as run history answers it; `run` None is the job's own."""
    shared = _shared(job, run, workspace)
    created = shared.pop("createdTimeUtc")
    cancel = f"{workspace.url}/studioservice/apiv2{workspace.resource_id}/runs/{shared['runId']}/Cancel"
    return {
        **shared,
        "createdUtc": created,
        "token": None,
        "tokenExpiryTimeUtc": None,
        "cancelationReason": None,
        "experimentId": experiment_id(job.request.experiment_name),
        "scheduleId": None,
        "displayName": f"{run.stage}" if run else job.request.display_name or job.name,
        "name": f"{run.stage}" if run else None,
        "description": None if run else job.request.description,
        "hidden": job.request.is_archived,
        "runType": "azureml.StepRun" if run else "azureml.PipelineRun",
        "actionUris": {"Cancel": cancel},
        "scriptName": None,
        "uniqueChildRunComputeTargets": [] if run else [job.compute],
        "runDefinition": None,
        "jobSpecification": None,
        "primaryMetricName": None,
        "createdFrom": None,
        "cancelUri": cancel,
        "completeUri": None,
        "diagnosticsUri": None,
        "retainForLifetimeOfWorkspace": None if run else False,
        "queueingInfo": None,
    }


def details_json(job: Job, run: StageRun | None, workspace: Workspace, sign: Callable[[str], str]) -> Json:
    """Return a run's details; `sign` makes a readable URL of a path in the container of `workspaceartifactstore`."""
    names = ["user_logs/std_log.txt"] if run else [f"logs/azureml/{name}.txt" for name in _PIPELINE_LOGS]
    exists = run.attempt > 0 if run else job.started_at is not None
    identifier = run.name if run else job.name
    cost = dict.fromkeys(
        (
            "chargedCpuCoreSeconds",
            "chargedCpuMemoryMegabyteSeconds",
            "chargedGpuSeconds",
            "chargedNodeUtilizationSeconds",
        )
    )
    return {
        **_shared(job, run, workspace),
        "runDefinition": None if run else _definition(job),
        "logFiles": {name: sign(f"ExperimentRun/dcid.{identifier}/{name}") for name in names if exists},
        "jobCost": cost,
    }


def run_data_json(job: Job, run: StageRun | None, workspace: Workspace) -> Json:
    """Return the answer of rundata: the run with, for the job's own, its `default` output and its definition."""
    metadata = run_json(job, run, workspace)
    identifier = run.name if run else job.name
    metadata["outputs"] = {"default": {"assetId": default_asset(identifier, workspace), "type": "UriFolder"}} | (
        metadata["outputs"] or {}
    )
    definition = None if run else _definition(job)
    return {"runMetadata": metadata, "runDefinition": definition, "jobSpecification": None, "systemSettings": None}


def default_asset(run: str, workspace: Workspace) -> str:
    """Return the id of the data asset that holds a run's artifacts."""
    return f"{_assets(workspace)}/data/azureml_{run}_output_data_default/versions/1"


def _shared(job: Job, run: StageRun | None, workspace: Workspace) -> Json:
    """Return the keys that a run and its details have in common."""
    of: Job | StageRun = run or job
    status, started, ended = of.status, of.started_at, of.ended_at
    running = started is not None and ended is None
    elapsed = _duration(started, ended)
    user: Json = {"userObjectId": workspace.tenant, "userTenantId": workspace.tenant, "userName": "local"}
    user |= dict.fromkeys(("userPuId", "userIdp", "userAltSecId", "userIss", "upn"))
    modified = mfe_time(ended or started or of.created_at) if run else mfe_time(job.modified_at)
    return {
        "runId": of.name,
        "runUuid": _uuid(of.name),
        "parentRunUuid": _uuid(job.name) if run else None,
        "rootRunUuid": _uuid(job.name),
        "rootRunId": job.name,
        "parentRunId": job.name if run else None,
        "runNumber": int(of.created_at.timestamp()),
        "target": job.compute if run else None,
        "status": status.value,
        "dataContainerId": f"dcid.{of.name}",
        "createdTimeUtc": mfe_time(of.created_at),
        "startTimeUtc": time_or_none(started),
        "endTimeUtc": time_or_none(ended),
        "error": _error(of.error, ended, workspace) if of.error else None,
        "warnings": None,
        "tags": {"azureml.nodeid": _uuid(of.name)[:8], "azureml.pipeline": job.name} if run else job.request.tags,
        "properties": _step_properties(job, run) if run else job_properties(job),
        "parameters": {} if run else parameters(job),
        "services": {},
        "inputDatasets": [],
        "outputDatasets": [],
        "revision": job.revision,
        "statusRevision": job.revision,
        "runTypeV2": {
            "orchestrator": None if run else "Pipeline",
            "traits": ["azureml.StepRun"] if run else ["azureml.PipelineRun", "MFE", "HTTP", "DevPlatv2"],
            "attribution": None,
            "computeType": None,
        },
        "settings": {},
        "computeRequest": None,
        "compute": None,
        "createdBy": user,
        "userId": workspace.tenant,
        "lastModifiedBy": user,
        "lastModifiedUtc": modified,
        "effectiveStartTimeUtc": time_or_none(started) if running else None,
        "lastStartTimeUtc": time_or_none(started) if running else None,
        "currentComputeTime": "00:00:00" if running else None,
        "computeDuration": elapsed,
        "duration": elapsed,
        "currentAttemptId": max(run.attempt, 1) if run else 1,
        "inputs": None if run else {},
        "outputs": None if run else _outputs(job, workspace),
    }


def _outputs(job: Job, workspace: Workspace) -> Json:
    """Return the outputs that exist: each is an asset of its own, written by one stage."""
    outputs = {}
    for name, of in job.outputs.items():
        run = job.run(OUTPUT_STAGE[of])
        if run.status is not JobStatus.COMPLETED:
            continue
        type = _DATA_TYPES.get(job.request.outputs[name].job_output_type, "UriFolder")
        collection = "data" if type in ("UriFolder", "UriFile", "MLTable") else "models"
        asset = f"{_assets(workspace)}/{collection}/azureml_{run.name}_output_{collection}_{of}/versions/1"
        outputs[name] = {"assetId": asset, "type": type}
    return outputs


def _assets(workspace: Workspace) -> str:
    return f"azureml://locations/{workspace.location}/workspaces/{workspace.workspace_id}"


def _step_properties(job: Job, run: StageRun) -> dict[str, str]:
    return {
        "azureml.runsource": "azureml.StepRun",
        "azureml.nodeid": _uuid(run.name)[:8],
        "StepType": "PythonScriptStep",
        "ComputeTargetType": "AmlCompute",
        "azureml.moduleName": f"{run.stage}",
        "azureml.moduleid": _uuid(run.stage),
        "azureml.pipeline": job.name,
        "azureml.pipelinerunid": job.name,
        "azureml.DevPlatv2": "true",
        "azureml.pipelineComponent": "masterescloud",
        "_azureml.ComputeTargetType": "amlctrain",
        "ProcessInfoFile": "azureml-logs/process_info.json",
        "ProcessStatusFile": "azureml-logs/process_status.json",
    }


def _definition(job: Job) -> Json:
    """Return the pipeline as run history keeps it: the keys of the request, but in PascalCase."""
    request = job.request
    return {
        "JobType": "Pipeline",
        "PipelineJobType": "AzureML",
        "ComputeId": request.compute_id,
        "Settings": request.settings,
        "Jobs": request.jobs,
        "ProvisioningState": "Succeeded",
        "DisplayName": request.display_name,
        "ExperimentName": request.experiment_name,
        "Status": "NotStarted",
        "IsArchived": request.is_archived,
        "Description": request.description,
        "Tags": request.tags,
        "Properties": request.properties,
    }


def _error(error: StageError, at: datetime | None, workspace: Workspace) -> Json:
    empty = dict.fromkeys(
        (
            "severity",
            "messageFormat",
            "messageParameters",
            "referenceCode",
            "detailsUri",
            "target",
            "innerError",
            "debugInfo",
        )
    )
    return {
        "error": {"code": error.code, "message": error.message, **empty, "details": [], "additionalInfo": None},
        "correlation": {"operation": None, "request": None},
        "environment": workspace.location,
        "location": workspace.location,
        "time": time_or_none(at),
        "componentName": "execution-worker",
    }


def _duration(started: datetime | None, ended: datetime | None) -> str | None:
    """Return the time between the two as ``hh:mm:ss.fffffff``."""
    if started is None or ended is None:
        return None
    elapsed: timedelta = ended - started
    seconds = int(elapsed.total_seconds())
    days, hours = divmod(seconds // 3600, 24)
    text = f"{hours:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{elapsed.microseconds:06}0"
    return f"{days}.{text}" if days else text


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
