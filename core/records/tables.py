"""The tables, as SQLAlchemy maps them; Alembic's migrations create them.

Records that stand for something on Azure (`Dataset`, `Compute`, `Job`, `Endpoint`) hold what a person wants, what was
last observed, and the work in between (`Work`): attempts, when to look next, who holds the claim.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, timezone-aware in Python on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; SQLite keeps no timezone."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware moment."""
        return None if value is None else (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class Table(DeclarativeBase):
    """The base of all tables."""

    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads this name)
        datetime: Moment(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }


class PlanKind(StrEnum):
    """What a plan will do once confirmed."""

    FINETUNE = "finetune"
    DEPLOY = "deploy"
    CANCEL = "cancel"
    TEAR_DOWN = "tear_down"
    CREATE_COMPUTE = "create_compute"


class Requested:
    """Who asked, and where: Slack ids; `thread` is empty when the request came from the channel."""

    owner: Mapped[str] = mapped_column(String(32))
    team: Mapped[str] = mapped_column(String(32), default="")
    channel: Mapped[str] = mapped_column(String(32))
    thread: Mapped[str] = mapped_column(String(32), default="")
    created_at: Mapped[datetime]


class Work:
    """The reconciler's side of a record; `next_at` None means nothing left to do."""

    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    step_error: Mapped[str] = mapped_column(Text, default="")
    claimed_by: Mapped[str] = mapped_column(String(64), default="")
    claimed_until: Mapped[datetime | None]
    observed_at: Mapped[datetime | None]


class Plan(Requested, Table):
    """What will be done if somebody presses the button; immutable but for who took it."""

    __tablename__ = "plans"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    body: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]
    taken_by: Mapped[str] = mapped_column(String(32), default="")
    taken_at: Mapped[datetime | None]
    result: Mapped[str] = mapped_column(String(64), default="")
    """The id of the record that the plan made or changed."""


class Dataset(Requested, Work, Table):
    """A dataset to prepare; `state` is preparing, ready or failed."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    request: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), default="preparing")
    rows_read: Mapped[int] = mapped_column(default=0)
    report: Mapped[dict[str, Any] | None]
    failure: Mapped[dict[str, Any] | None]


class Compute(Requested, Work, Table):
    """A compute cluster to create; `tier` becomes low_priority when Azure refuses dedicated cores."""

    __tablename__ = "computes"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    size: Mapped[str] = mapped_column(String(64))
    tier: Mapped[str] = mapped_column(String(16))
    max_instances: Mapped[int]
    idle_seconds: Mapped[int]
    state: Mapped[str] = mapped_column(String(32), default="")
    failure: Mapped[dict[str, Any] | None]


class Job(Requested, Work, Table):
    """A fine-tune: wanted `registered` or `cancelled`; `state` is Azure's own word, empty before it was submitted."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Our own id, and the pipeline job's name on Azure."""
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"), unique=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"))
    wanted: Mapped[str] = mapped_column(String(16), default="registered")
    wanted_by: Mapped[str] = mapped_column(String(32), default="")
    """Who changed last what is wanted; empty: nobody since it was asked for."""
    spec: Mapped[dict[str, Any]]
    """The plan's body: model, compute, parameters with their sources, files, price and time estimates."""
    state: Mapped[str] = mapped_column(String(32), default="")
    stages: Mapped[list[Any]] = mapped_column(default=list)
    """Dicts of name, run, status, started_at, ended_at (ISO 8601)."""
    step: Mapped[int] = mapped_column(default=0)
    max_steps: Mapped[int | None]
    loss: Mapped[float | None]
    learning_rate: Mapped[float | None]
    eval_loss_before: Mapped[float | None]
    eval_loss_after: Mapped[float | None]
    losses: Mapped[list[Any]] = mapped_column(default=list)
    """Pairs of step and loss, thinned to at most 100."""
    eta_seconds: Mapped[float | None]
    studio_url: Mapped[str] = mapped_column(Text, default="")
    failure: Mapped[dict[str, Any] | None]
    """code, message, stage, log (last lines)."""
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    model_name: Mapped[str] = mapped_column(String(128), default="")
    model_version: Mapped[str] = mapped_column(String(32), default="")
    model_id: Mapped[str] = mapped_column(Text, default="")


class Endpoint(Requested, Work, Table):
    """A managed online endpoint with one deployment: wanted `up` or `gone`; states are Azure's own words."""

    __tablename__ = "endpoints"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Our own id, and the endpoint's name on Azure."""
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"), unique=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    wanted: Mapped[str] = mapped_column(String(16), default="up")
    wanted_by: Mapped[str] = mapped_column(String(32), default="")
    """Who changed last what is wanted; empty: nobody since it was asked for."""
    deployment: Mapped[str] = mapped_column(String(32))
    model_name: Mapped[str] = mapped_column(String(128))
    model_version: Mapped[str] = mapped_column(String(32))
    model_id: Mapped[str] = mapped_column(Text)
    instance_type: Mapped[str] = mapped_column(String(64))
    instance_count: Mapped[int] = mapped_column(default=1)
    price_per_hour: Mapped[float | None]
    """Of one instance, in `currency`; None: unknown."""
    currency: Mapped[str] = mapped_column(String(8), default="USD")
    price_source: Mapped[str] = mapped_column(String(128), default="")
    context_length: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(32), default="")
    """The endpoint's: empty before it was created, `Gone` after it was seen to be gone."""
    deployment_state: Mapped[str] = mapped_column(String(32), default="")
    traffic: Mapped[int] = mapped_column(default=0)
    """Percent that goes to our deployment."""
    scoring_uri: Mapped[str] = mapped_column(Text, default="")
    failure: Mapped[dict[str, Any] | None]
    billing_started_at: Mapped[datetime | None]
    billing_stopped_at: Mapped[datetime | None]
    deployed_at: Mapped[datetime | None]
    last_request_at: Mapped[datetime | None]
    """The last request that we know of: one of ours, or one that Azure's metrics counted."""
    requests_known: Mapped[bool] = mapped_column(default=False)
    """Whether Azure's metrics answered at the last look; unknown is not idle."""
    keep_until: Mapped[datetime | None]
    kept_by: Mapped[str] = mapped_column(String(32), default="")
    reminded_at: Mapped[datetime | None]


class Event(Table):
    """What happened, append-only: see `core.events`; `told_at` is set once the announcer has dealt with it."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_subject", "subject_kind", "subject_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    subject_kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(32), default="")
    """The Slack user who asked; empty: the bot itself."""
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    told_at: Mapped[datetime | None] = mapped_column(index=True)


class Message(Table):
    """The outbox and what became of it: one row per message on Slack, found by its delivery key.

    A card is one row whose `body` changes: `wanted_revision` counts what it should show, `sent_revision` what Slack
    has.
    `state` is waiting, sending (in doubt after a crash), streaming (an answer that grows), sent or refused.
    """

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("key"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(128))
    channel: Mapped[str] = mapped_column(String(32))
    parent_key: Mapped[str] = mapped_column(String(128), default="")
    """The key of the message in whose thread this one goes, when that message is ours."""
    thread: Mapped[str] = mapped_column(String(32), default="")
    person: Mapped[str] = mapped_column(String(32), default="")
    """Who alone sees it; empty: everybody."""
    body: Mapped[dict[str, Any]]
    """text and blocks."""
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    ts: Mapped[str] = mapped_column(String(32), default="")
    wanted_revision: Mapped[int] = mapped_column(default=1)
    sent_revision: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    sent_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(String(256), default="")


class Delivery(Table):
    """A request from Slack that was acknowledged; a second one with the same key is a redelivery."""

    __tablename__ = "deliveries"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    request: Mapped[dict[str, Any]]
    """Who asked, where, and what it is called; of a button what it stands for, of what was typed nothing."""
    claimed_by: Mapped[str] = mapped_column(String(64), default="")
    claimed_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None] = mapped_column(index=True)


class Turn(Table):
    """One turn of a conversation with a deployed model; `role` is system, user or assistant."""

    __tablename__ = "turns"
    __table_args__ = (Index("ix_turns_conversation", "channel", "thread"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    channel: Mapped[str] = mapped_column(String(32))
    thread: Mapped[str] = mapped_column(String(32))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("endpoints.id"))
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    person: Mapped[str] = mapped_column(String(32), default="")
    at: Mapped[datetime]
    tokens: Mapped[int | None]
    """As the deployment counted them; None: it did not say."""
    message_ts: Mapped[str] = mapped_column(String(32), default="")
    """The Slack message that shows it."""
    feedback: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Of an answer: `good` or `bad` by the Slack user who said so."""


class Conversation(Table):
    """How a thread's conversation with a model is held, where somebody changed it: sampling and system prompt."""

    __tablename__ = "conversations"

    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    thread: Mapped[str] = mapped_column(String(32), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("endpoints.id"))
    temperature: Mapped[float]
    top_p: Mapped[float]
    max_new_tokens: Mapped[int]
    system_prompt: Mapped[str] = mapped_column(Text, default="")
    changed_by: Mapped[str] = mapped_column(String(32), default="")


class Lease(Table):
    """Which process holds a task that only one may do, and until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]
