"""Metrics of a run, sent to the tracking server as they happen, by MLflow's REST interface.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html#log-batch. Training never fails or waits long
because the server does not answer: what could not be sent is sent with the next batch.
"""

import logging
import math
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx
import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from core.local_azure.work import StageSpec

log = logging.getLogger(__name__)

MOST_METRICS_IN_A_BATCH = 1000
REQUEST_SECONDS = 5.0
SECONDS_BETWEEN_TRIES = 5.0


class Metric(msgspec.Struct, frozen=True):
    """One value of a metric; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class Param(msgspec.Struct, frozen=True):
    """A setting of the run that does not change."""

    key: str
    value: str


class Tracker:
    """Sends metrics of one run; keeps what could not be sent and tries again with the next ones and at the end."""

    def __init__(self, spec: StageSpec) -> None:
        self.run = spec.run
        self.client = httpx.Client(
            base_url=spec.tracking_uri,
            headers={"Authorization": f"Bearer {spec.token}"},
            verify=certificates(spec),
            timeout=REQUEST_SECONDS,
            trust_env=False,
        )
        self.metrics: list[Metric] = []
        self.params: list[Param] = []
        self.not_before = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        retry = Retrying(
            stop=stop_after_attempt(4),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception_type(httpx.HTTPError),
            reraise=True,
        )
        try:
            retry(self.send)
        except httpx.HTTPError as error:
            log.warning("%d metrics could not be sent: %s", len(self.metrics), type(error).__name__)
        self.client.close()

    def log_params(self, params: Mapping[str, object]) -> None:
        """Send settings of the run."""
        self.params += [Param(key, str(value)) for key, value in params.items()]
        self.try_to_send()

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Send the values of metrics at one training step; values that are no finite number are left out."""
        now = time.time_ns() // 1_000_000
        self.metrics += [Metric(key, value, now, step) for key, value in values.items() if math.isfinite(value)]
        self.try_to_send()

    def try_to_send(self) -> None:
        """Send what is waiting, unless the server failed to answer within the last seconds."""
        if time.monotonic() < self.not_before:
            return
        try:
            self.send()
        except httpx.HTTPError as error:
            self.not_before = time.monotonic() + SECONDS_BETWEEN_TRIES
            log.warning("metrics not sent yet: %s", type(error).__name__)

    def send(self) -> None:
        """Send what is waiting, in batches; raises httpx.HTTPError and keeps what was not sent."""
        while self.metrics or self.params:
            batch = self.metrics[:MOST_METRICS_IN_A_BATCH]
            body = {"run_id": self.run, "metrics": batch, "params": self.params}
            response = self.client.post("/api/2.0/mlflow/runs/log-batch", content=msgspec.json.encode(body))
            response.raise_for_status()
            self.metrics = self.metrics[len(batch) :]
            self.params = []


def certificates(spec: StageSpec) -> ssl.SSLContext | bool:
    """Return what the server's certificate is verified against."""
    return ssl.create_default_context(cafile=spec.ca_file) if spec.tracking_uri.startswith("https:") else True
