"""What happened: the kinds of event, and what each one's `data` holds.

Events are append-only and written in the transaction of the change they tell of. They are at once the history, the
audit log and the queue of what is still to be told in Slack.
"""

from enum import StrEnum


class EventKind(StrEnum):
    """Named after the move that was made."""

    # plans: subject is the plan
    PLANNED = "planned"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    # datasets
    DATASET_REQUESTED = "dataset_requested"
    DATASET_PROGRESSED = "dataset_progressed"
    DATASET_READY = "dataset_ready"
    DATASET_FAILED = "dataset_failed"
    # computes
    COMPUTE_REQUESTED = "compute_requested"
    COMPUTE_READY = "compute_ready"
    COMPUTE_FAILED = "compute_failed"
    # jobs
    JOB_REQUESTED = "job_requested"
    JOB_SUBMITTED = "job_submitted"
    JOB_STARTED = "job_started"
    JOB_STAGE_CHANGED = "job_stage_changed"
    JOB_PROGRESSED = "job_progressed"
    JOB_FIRST_METRICS = "job_first_metrics"
    JOB_COMPLETED = "job_completed"
    JOB_FAILED = "job_failed"
    JOB_CANCEL_REQUESTED = "job_cancel_requested"
    JOB_CANCELED = "job_canceled"
    JOB_REGISTERED = "job_registered"
    # endpoints
    ENDPOINT_REQUESTED = "endpoint_requested"
    ENDPOINT_CREATED = "endpoint_created"
    DEPLOYMENT_SUCCEEDED = "deployment_succeeded"
    DEPLOYMENT_FAILED = "deployment_failed"
    ENDPOINT_DEPLOYED = "endpoint_deployed"
    ENDPOINT_OBSERVED = "endpoint_observed"
    ENDPOINT_IDLE = "endpoint_idle"
    ENDPOINT_KEPT = "endpoint_kept"
    ENDPOINT_DELETE_REQUESTED = "endpoint_delete_requested"
    ENDPOINT_DELETED = "endpoint_deleted"
    ENDPOINT_GONE = "endpoint_gone"
    """Deleted by somebody else, outside the bot."""
    # steps that could not be carried out
    STEP_RETRIED = "step_retried"
    STEP_REFUSED = "step_refused"


class SubjectKind(StrEnum):
    """What an event is about; also the kinds of record that are reconciled."""

    PLAN = "plan"
    DATASET = "dataset"
    COMPUTE = "compute"
    JOB = "job"
    ENDPOINT = "endpoint"
