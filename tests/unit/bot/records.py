"""Records full of whatever people, models and Azure may put into them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from core.azure.types import Price
from core.datasets import DatasetReport, DatasetRequest
from core.datasets.report import CharacterStatistics, PreviewRow, Problem
from core.operations.cancel_job import CancelPlan
from core.operations.create_compute import ComputePlan
from core.operations.deploy_model import DeployPlan
from core.operations.estimates import Estimate
from core.operations.parameters import Dropped, Parameter
from core.operations.plan_finetune import FinetunePlan
from core.operations.tear_down import TearDownPlan
from core.records.tables import Compute, Dataset, Endpoint, Job, Plan, PlanKind

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_NASTY = {
    "empty": "",
    "everybody": "<!channel>",
    "somebody": "<@U0EVE>",
    "link": "https://evil.example/?q=1",
    "long": "a" * 4000,
    "markup": "&<>" * 2000,
    "code": "```\n" * 500,
}


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Draw what anybody may have written."""
    return draw(st.sampled_from(list(_NASTY)).map(lambda name: _NASTY[name]) | st.text(max_size=60))


TEXT = texts()
MAYBE = st.none() | st.floats(0, 1e6)
MOMENTS = st.none() | st.timedeltas(timedelta(0), timedelta(days=9)).map(lambda ago: NOW - ago)
WHO = {"owner": "U0ADA", "team": "T1", "channel": "C1", "thread": "", "created_at": NOW}
PRICES = st.none() | st.builds(Price, st.floats(0, 1e4), st.sampled_from(["USD", "EUR"]), TEXT, st.just(NOW.date()))
FAILURES = st.none() | st.fixed_dictionaries(
    {"code": TEXT, "message": TEXT, "why": TEXT, "next": TEXT, "stage": TEXT, "log": st.lists(TEXT, max_size=30)}
)
TEXTS = st.lists(TEXT, max_size=30).map(tuple)

FINETUNE = st.builds(
    FinetunePlan,
    job_id=TEXT,
    display_name=TEXT,
    experiment_name=TEXT,
    model_name=TEXT,
    model_version=TEXT,
    compute=TEXT,
    size=TEXT,
    price=PRICES,
    dataset_name=TEXT,
    dataset_sha256=TEXT,
    train_path=st.just(Path("/a")),
    validation_path=st.just(Path("/b")),
    test_path=st.just(Path("/c")),
    parameters=st.lists(
        st.builds(Parameter, TEXT, TEXT, st.sampled_from(["component", "model", "user"])), max_size=70
    ).map(tuple),
    dropped=st.lists(st.builds(Dropped, TEXT, TEXT), max_size=30).map(tuple),
    warnings=TEXTS,
    estimate=st.builds(Estimate, MAYBE, MAYBE, TEXT),
)
BODIES = {
    PlanKind.FINETUNE: FINETUNE,
    PlanKind.DEPLOY: st.builds(
        DeployPlan, endpoint=TEXT, model_name=TEXT, instance_type=TEXT, price=PRICES, warnings=TEXTS
    ),
    PlanKind.CREATE_COMPUTE: st.builds(ComputePlan, name=TEXT, size=TEXT, price=PRICES, warnings=TEXTS),
    PlanKind.CANCEL: st.builds(CancelPlan, id=TEXT, owner=st.just("U0BOB"), state=TEXT),
    PlanKind.TEAR_DOWN: st.builds(
        TearDownPlan, id=TEXT, owner=st.just("U0BOB"), model_name=TEXT, currency=st.just("USD")
    ),
}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a plan of any kind, taken or not."""
    kind = draw(st.sampled_from(list(PlanKind)))
    taken = draw(st.booleans())
    return Plan(
        id="plan-abcdefgh",
        kind=kind,
        body=msgspec.to_builtins(draw(BODIES[kind]), enc_hook=str),
        expires_at=NOW + timedelta(hours=1),
        taken_by="U0BOB" if taken else "",
        taken_at=NOW if taken else None,
        result=draw(TEXT)[:64] if taken else "",
        **WHO,
    )


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Draw a job in any state."""
    names = ["ft_nlp_common_validation", "chat_completion_finetune", draw(TEXT)]
    return Job(
        id="ft-abcdefgh",
        plan_id="plan-abcdefgh",
        dataset_id="data-abcdefgh",
        wanted=draw(st.sampled_from(["registered", "cancelled"])),
        spec={name: draw(TEXT) for name in ("display_name", "model_name", "compute", "dataset_name")},
        state=draw(st.sampled_from(["", "Running", "Queued", "Completed", "Failed", "Canceled"]) | TEXT),
        stages=[{"name": name, "status": draw(st.sampled_from(["Running", "Completed", ""]) | TEXT)} for name in names],
        step=draw(st.integers(0, 10**9)),
        max_steps=draw(st.none() | st.integers(1, 10**9)),
        loss=draw(MAYBE),
        learning_rate=draw(MAYBE),
        eval_loss_before=draw(MAYBE),
        eval_loss_after=draw(MAYBE),
        losses=draw(st.lists(st.tuples(st.integers(0, 99), st.floats(0, 99)), max_size=100)),
        eta_seconds=draw(MAYBE),
        failure=draw(FAILURES),
        step_error=draw(TEXT),
        next_at=draw(MOMENTS),
        started_at=draw(MOMENTS),
        finished_at=draw(MOMENTS),
        model_name=draw(TEXT),
        model_version=draw(TEXT),
        **WHO,
    )


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    """Draw an endpoint in any state."""
    states = st.sampled_from(["", "Creating", "Succeeded", "Failed", "Deleting", "Gone"]) | TEXT
    return Endpoint(
        id="chat-abcdefgh",
        job_id=draw(st.none() | TEXT),
        wanted=draw(st.sampled_from(["up", "gone"])),
        deployment="demo",
        model_name=draw(TEXT),
        model_version=draw(TEXT),
        instance_type=draw(TEXT),
        instance_count=draw(st.integers(1, 20)),
        price_per_hour=draw(MAYBE),
        currency=draw(st.sampled_from(["USD", "EUR"])),
        price_source=draw(TEXT),
        state=draw(states),
        deployment_state=draw(states),
        traffic=draw(st.sampled_from([0, 100])),
        failure=draw(FAILURES),
        step_error=draw(TEXT),
        next_at=draw(MOMENTS),
        billing_started_at=draw(MOMENTS),
        billing_stopped_at=draw(MOMENTS),
        deployed_at=draw(MOMENTS),
        last_request_at=draw(MOMENTS),
        keep_until=draw(MOMENTS),
        **WHO,
    )


REPORTS = st.builds(
    DatasetReport,
    rows=st.integers(0, 10**9),
    bad_rows=st.integers(0, 10**6),
    problems=st.lists(
        st.builds(Problem, line=st.integers(0, 10**9), code=TEXT, message=TEXT, file=TEXT), max_size=20
    ).map(tuple),
    characters=st.builds(CharacterStatistics),
    preview=st.lists(st.builds(PreviewRow, prompt=TEXT, answer=TEXT), max_size=10).map(tuple),
    train_path=st.just(Path("/a")),
    validation_path=st.just(Path("/b")),
    test_path=st.just(Path("/c")),
    sha256=TEXT,
)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Draw a dataset in any state."""
    report = draw(st.none() | REPORTS)
    return Dataset(
        id="data-abcdefgh",
        request=msgspec.to_builtins(DatasetRequest(source=draw(TEXT.filter(str.strip)))),
        state=draw(st.sampled_from(["preparing", "ready", "failed"])),
        rows_read=draw(st.integers(0, 10**9)),
        report=None if report is None else msgspec.to_builtins(report, enc_hook=str),
        failure=draw(FAILURES),
        **WHO,
    )


COMPUTES = st.builds(
    lambda name, state, failure: Compute(
        id="compute-1",
        plan_id="p",
        name=name,
        size=name,
        tier=name,
        max_instances=1,
        state=state,
        failure=failure,
        **WHO,
    ),
    TEXT,
    TEXT,
    FAILURES,
)
