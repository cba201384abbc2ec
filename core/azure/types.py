"""What Azure ML has and does, in the bot's own frozen dataclasses; importing this module imports no SDK."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

TERMINAL_JOB_STATES = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class WorkspaceInfo:
    """The workspace the bot works in."""

    name: str
    subscription_id: str
    resource_group: str
    location: str


@dataclass(frozen=True)
class FoundationModel:
    """A base model of the registry with what its tags and system metadata say.

    `finetune_sizes` and `inference_sizes` are the allow-lists (None: the model carries none).
    `defaults` are `model_specific_defaults` as the tag gives them, values as strings.
    """

    name: str
    version: str
    id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    finetune_sizes: tuple[str, ...] | None = None
    inference_sizes: tuple[str, ...] | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False
    finetune_retirement: date | None = None
    inference_retirement: date | None = None
    context_length: int | None = None


@dataclass(frozen=True)
class VmSize:
    """A VM size of the workspace's region; memory in GiB, price in `currency` per hour when the region lists it."""

    name: str
    vcpus: int
    gpus: int
    memory_gib: float
    low_priority: bool
    family: str = ""
    price_per_hour: float | None = None
    currency: str = "USD"


@dataclass(frozen=True)
class Usage:
    """What of a quota is used: `name` is a VM family (or a total), both numbers in vCPUs or Azure's own unit."""

    name: str
    used: int
    limit: int


@dataclass(frozen=True)
class Price:
    """What one instance of a size costs: `amount` per hour in `currency`, from `source` as of `as_of`."""

    amount: float
    currency: str
    source: str
    as_of: date


@dataclass(frozen=True)
class Compute:
    """A compute cluster; `state` is Azure's provisioning state, idle time in seconds."""

    name: str
    size: str
    tier: str
    min_instances: int
    max_instances: int
    idle_seconds_before_scale_down: int
    state: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComponentInput:
    """One input of the pipeline component with its own constraints; `type` is string, integer, number, uri_file, ..."""

    name: str
    type: str
    default: str | None
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    optional: bool = True


@dataclass(frozen=True)
class Component:
    """The pipeline component of the registry."""

    name: str
    version: str
    id: str
    inputs: Mapping[str, ComponentInput]


@dataclass(frozen=True)
class JobRequest:
    """A pipeline job as it is submitted; `parameters` are component inputs as strings, files are local paths."""

    name: str
    display_name: str
    experiment_name: str
    component_id: str
    model_id: str
    compute: str
    train_file: Path
    validation_file: Path
    test_file: Path
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class StageSnapshot:
    """One child job of the pipeline: `name` is its node name, `run` its run id."""

    name: str
    run: str
    status: str
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed, with the last lines of its log."""

    code: str
    message: str
    stage: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobSnapshot:
    """A pipeline job as Azure shows it now; `status` is Azure's own word."""

    name: str
    status: str
    stages: tuple[StageSnapshot, ...] = ()
    studio_url: str = ""
    failure: JobFailure | None = None


@dataclass(frozen=True)
class TrainingMetrics:
    """What the fine-tune stage has logged so far; `losses` and `eval_losses` are (step, value) in order."""

    step: int = 0
    max_steps: int | None = None
    learning_rate: float | None = None
    losses: tuple[tuple[int, float], ...] = ()
    eval_losses: tuple[tuple[int, float], ...] = ()
    tokens_per_second: float | None = None
    started_at: datetime | None = None
    logged_at: datetime | None = None


@dataclass(frozen=True)
class RegisteredModel:
    """A model version of the workspace."""

    name: str
    version: str
    id: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EndpointSnapshot:
    """A managed online endpoint as Azure shows it now; `traffic` maps deployment to percent."""

    name: str
    state: str
    scoring_uri: str | None
    traffic: Mapping[str, int]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentRequest:
    """A deployment as it is asked for; timeouts in milliseconds.

    `concurrent_requests` are accepted by each instance at once; Azure's own default of 1 makes a second person wait.
    """

    endpoint: str
    name: str
    model_id: str
    instance_type: str
    instance_count: int = 1
    request_timeout_ms: int = 90_000
    concurrent_requests: int = 4
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentSnapshot:
    """A deployment as Azure shows it now; `error` is Azure's message when it failed and still knows why."""

    name: str
    state: str
    instance_type: str
    instance_count: int
    error: str = ""


@dataclass(frozen=True)
class ScoringTarget:
    """Where and with what key an endpoint is asked; `key` never leaves the process, so it is not shown."""

    uri: str
    key: str = field(repr=False)
    deployment: str = ""


@dataclass(frozen=True)
class ChatMessage:
    """One message of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Sampling:
    """How the next tokens are drawn; `stop` ends the answer, `seed` makes it repeatable where the server can."""

    temperature: float = 0.6
    top_p: float = 0.9
    max_new_tokens: int = 200
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a deployment answered: time in seconds, tokens as the server counted them (None: it did not say)."""

    text: str
    seconds: float
    deployment: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
