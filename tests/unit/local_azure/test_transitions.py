"""The transition tables of jobs, endpoints and deployments, and what a submitted pipeline may say."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.local_azure.server import state_endpoints, state_jobs
from core.local_azure.server.errors import MfeError
from core.local_azure.server.pipeline import Component, ComponentInput, ComponentOutput, read_pipeline
from core.local_azure.server.state_endpoints import Deployment, ProvisioningState, check_name, check_traffic
from core.local_azure.server.state_jobs import Job, JobOutput, JobRequest, JobStatus, StageRun
from core.local_azure.work import Stage, StageError

AT = datetime(2026, 11, 24, tzinfo=UTC)
COMPONENT = Component(
    inputs={
        "epochs": ComponentInput("integer", optional=True, default="1", min="1"),
        "rate": ComponentInput("number", optional=True),
        "train": ComponentInput("uri_file"),
    },
    outputs={"model": ComponentOutput("mlflow_model")},
)


def job(status=JobStatus.PREPARING) -> Job:
    return Job(
        name="job",
        number=1,
        request=JobRequest(job_type="Pipeline"),
        compute="here",
        node="node",
        inputs={},
        outputs={},
        status=status,
        created_at=AT,
        modified_at=AT,
        runs=tuple(
            StageRun(name=f"run-{stage}", stage=stage, status=JobStatus.NOT_STARTED, created_at=AT) for stage in Stage
        ),
    )


def request(inputs, outputs=None, parent=None) -> JobRequest:
    node = {"componentId": "c", "inputs": inputs, "outputs": outputs or {}}
    return JobRequest(job_type="Pipeline", jobs={"node": node}, inputs=parent or {}, outputs={"out": JobOutput()})


BOUND = {"model": {"type": "literal", "value": "${{parent.outputs.out}}"}}
TRAIN = {"train": {"job_input_type": "uri_file", "uri": "azureml://datastores/d/paths/f"}}


@pytest.mark.parametrize("table", [state_jobs.TRANSITIONS, state_endpoints.TRANSITIONS])
def test_every_status_has_its_line_in_the_table(table):
    """A status that is missing from its table would be a crash on the day it occurs."""
    statuses = type(next(iter(table)))
    assert set(table) == set(statuses)
    assert all(targets <= set(statuses) for targets in table.values())


@given(st.lists(st.sampled_from(list(JobStatus)), max_size=8))
def test_a_job_only_ever_moves_along_the_table(wanted):
    """Whatever is asked of a job, it takes allowed steps only, and once it has ended it stays as it is."""
    moving = job()
    for step, status in enumerate(wanted):
        at = AT + timedelta(seconds=step + 1)
        if status in state_jobs.TRANSITIONS[moving.status]:
            moving = state_jobs.move(moving, status, at)
            assert moving.status is status
            assert (moving.ended_at == at) == (status in state_jobs.TERMINAL)
        else:
            with pytest.raises(ValueError, match="cannot go from"):
                state_jobs.move(moving, status, at)


def test_a_canceled_job_leaves_finished_stages_alone():
    """A cancel ends what has not ended: finished stages keep their result."""
    running = state_jobs.move(job(), JobStatus.RUNNING, AT)
    running = state_jobs.move_run(running, Stage.VALIDATION, JobStatus.RUNNING, AT)
    running = state_jobs.move_run(running, Stage.VALIDATION, JobStatus.COMPLETED, AT)
    asked = state_jobs.move(running, JobStatus.CANCEL_REQUESTED, AT)
    ended = state_jobs.end_canceled(asked, AT)
    assert [run.status for run in ended.runs] == [JobStatus.COMPLETED] + [JobStatus.CANCELED] * 4


def test_a_failed_stage_keeps_why():
    """The error of a stage stays on its own run."""
    running = state_jobs.move_run(state_jobs.move(job(), JobStatus.RUNNING, AT), Stage.FINETUNE, JobStatus.RUNNING, AT)
    failed = state_jobs.move_run(running, Stage.FINETUNE, JobStatus.FAILED, AT, StageError("UserError", "why"))
    assert failed.run(Stage.FINETUNE).error == StageError("UserError", "why")
    assert failed.run(Stage.MODEL_IMPORT).error is None


def test_inputs_are_bound_through_the_pipeline():
    """A node's input may come from the pipeline's own inputs; what has no value takes the component's default."""
    bound = {"rate": {"job_input_type": "literal", "value": "${{parent.inputs.speed}}"}}
    read = read_pipeline(request(TRAIN | bound, BOUND, {"speed": {"value": "0.1"}}), COMPONENT)
    assert (read.inputs["rate"], read.inputs["epochs"], read.paths) == ("0.1", "1", {"train"})
    assert read.outputs == {"out": "model"}


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({}, BOUND, "required input train of node node has no value"),
        (TRAIN | {"more": {"value": "1"}}, BOUND, r"unknown inputs \[more\]"),
        (TRAIN | {"epochs": {"value": "1.5"}}, BOUND, "not of type integer"),
        (TRAIN | {"rate": {"value": "nan"}}, BOUND, "not of type number"),
        (TRAIN | {"rate": {"value": "${{parent.inputs.none}}"}}, BOUND, "no input none"),
        (TRAIN, {}, r"outputs \[out\] are bound to no node"),
        (TRAIN, {"other": {}} | BOUND, r"unknown outputs \[other\]"),
    ],
)
def test_a_wrong_pipeline_says_what_is_wrong(inputs, outputs, message):
    """Each mistake in a pipeline is refused with 400 and its own sentence."""
    with pytest.raises(MfeError, match=message) as refused:
        read_pipeline(request(inputs, outputs), COMPONENT)
    assert (refused.value.status, refused.value.code) == (400, "UserError")


def deployment(name, state=ProvisioningState.SUCCEEDED) -> Deployment:
    wanted = state_endpoints.DeploymentProperties()
    return Deployment(name=name, endpoint="e", state=state, wanted=wanted, operation="o", created=AT, modified=AT)


@given(st.dictionaries(st.sampled_from(["blue", "green", "red"]), st.integers(0, 100)))
def test_traffic_sums_to_nothing_or_everything(traffic):
    """Traffic is accepted exactly when it adds up to 0 or 100 percent."""
    known = {name: deployment(name) for name in ("blue", "green", "red")}
    if sum(traffic.values()) in (0, 100):
        check_traffic(traffic, {}, known)
    else:
        with pytest.raises(MfeError, match="must be 0 or 100 percent"):
            check_traffic(traffic, {}, known)


def test_a_failed_deployment_gets_no_traffic():
    """Nobody is sent to a deployment that does not work."""
    known = {"blue": deployment("blue", ProvisioningState.FAILED)}
    with pytest.raises(MfeError, match="cannot receive traffic"):
        check_traffic({"blue": 100}, {}, known)


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9]{1,30}[A-Za-z0-9]", fullmatch=True))
def test_good_names_are_accepted(name):
    """Letters and digits, a letter first, 3 to 32 of them: a name."""
    check_name("endpoint", name)
