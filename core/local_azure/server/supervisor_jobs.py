"""Runs the stages of jobs, one after another, as processes of the engine.

A compute with n nodes runs n pipelines at a time; the others wait in the order of their submission. What is stored is
always enough to go on: a new server kills what an old one left running and takes up each job at the stage it was in.
"""

import logging
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from core.clock import Clock
from core.local_azure.server import processes
from core.local_azure.server.processes import Engine
from core.local_azure.server.state_jobs import (
    KIND,
    TERMINAL,
    Job,
    JobStatus,
    artifacts,
    change,
    end_canceled,
    log_file,
    move,
    move_run,
    process_started,
    run_folder,
)
from core.local_azure.server.store import Store
from core.local_azure.work import Stage, StageError, StageSpec

JOB_LIFETIME = timedelta(days=21)
"""How long a job may take (https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas)."""

log = logging.getLogger(__name__)


class JobPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where jobs live and whom they talk to.

    `blobs` and `container` are the default datastore's; `work` is a private folder for specifications, which contain
    tokens.
    """

    blobs: Path
    container: str
    work: Path
    tracking_uri: str
    ca_file: Path


class JobSupervisor:
    """Starts, watches and ends the stages of all jobs; one thread for each running job."""

    def __init__(self, store: Store, clock: Clock, places: JobPlaces, mint: Callable[[], str], engine: Engine) -> None:
        """`mint` makes the bearer tokens of stages."""
        self._store, self._clock, self._places, self._mint, self._engine = store, clock, places, mint, engine
        self._nodes: Callable[[str], int] = lambda compute: 1
        self._canceled: Callable[[str], None] = lambda job: None
        self._lock = threading.RLock()
        self._threads: dict[str, threading.Thread] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    def begin(self, nodes: Callable[[str], int], canceled: Callable[[str], None]) -> None:
        """Take up all jobs.

        `nodes` tells how many nodes a compute has, `canceled` is called with a job that was canceled.
        """
        self._nodes, self._canceled, self._stopping = nodes, canceled, False
        self.wake()

    def wake(self) -> None:
        """Start every job whose compute has a free node; called after each submission."""
        with self._lock:
            if self._stopping:
                return
            busy = [job.compute for job in self._jobs() if job.name in self._threads]
            for job in self._jobs():
                if job.name in self._threads:
                    continue
                if job.status is JobStatus.CANCEL_REQUESTED or busy.count(job.compute) < self._nodes(job.compute):
                    busy.append(job.compute)
                    self._threads[job.name] = thread = threading.Thread(
                        target=self._work, args=(job.name,), daemon=True
                    )
                    thread.start()
                elif job.status is JobStatus.PREPARING:
                    change(self._store, job.name, self._queued)

    def cancel(self, name: str) -> bool:
        """Ask for the end of a job; return whether it is still to come, which `begin`'s `canceled` will be told.

        Its processes get SIGTERM, and SIGKILL when they do not listen.
        """
        with self._lock:
            job = self._store.get(KIND, name, Job)
            if job is None or job.status in TERMINAL:
                return False
            if job.status is not JobStatus.CANCEL_REQUESTED:
                change(self._store, name, lambda job: move(job, JobStatus.CANCEL_REQUESTED, self._clock()))
            process = self._processes.get(name)
        if process:
            threading.Thread(target=processes.end, args=(process, self._engine.grace), daemon=True).start()
        self.wake()
        return True

    def stop(self) -> None:
        """End all processes, but leave their jobs as they are: the next server goes on with them."""
        with self._lock:
            self._stopping = True
            running, threads = list(self._processes.values()), list(self._threads.values())
        for process in running:
            processes.end(process, self._engine.grace)
        for thread in threads:
            thread.join()

    def _jobs(self) -> list[Job]:
        jobs = (job for job in self._store.list(KIND, Job) if job.status not in TERMINAL)
        return sorted(jobs, key=lambda job: job.number)

    def _queued(self, job: Job) -> Job:
        at = self._clock()
        return move(move_run(job, next(iter(Stage)), JobStatus.QUEUED, at), JobStatus.QUEUED, at)

    def _work(self, name: str) -> None:
        try:
            self._take_up(name)
            if all(self._stage(name, stage) for stage in Stage):
                self._change(name, lambda job: move(job, JobStatus.COMPLETED, self._clock()))
                self._tell(name, "Completing processing of the pipeline run.")
        except Exception:
            log.exception("job %s could not be worked on", name)
            self._fail(name, None, StageError("SystemError", "InternalServerError"))
        finally:
            with self._lock:
                self._threads.pop(name, None)
            self.wake()

    def _take_up(self, name: str) -> None:
        job = self._store.get(KIND, name, Job)
        for run in job.runs if job else ():
            processes.end_orphan(run.process)

    def _stage(self, name: str, stage: Stage) -> bool:
        """Run one stage; return whether the job goes on."""
        with self._lock:
            job = self._store.get(KIND, name, Job)
            if job is None or self._stopping:
                return False
            if job.status is JobStatus.CANCEL_REQUESTED:
                self._end_canceled(name)
                return False
            if job.run(stage).status is JobStatus.COMPLETED:
                return True
            process = self._start(job, stage)
        code = process.wait()
        with self._lock:
            self._processes.pop(name, None)
            self._specification_file(job, stage).unlink(missing_ok=True)
            if self._stopping:
                return False
            return self._ended(name, stage, code)

    def _start(self, job: Job, stage: Stage) -> subprocess.Popen[bytes]:
        run = job.run(stage)
        at = self._clock()
        if job.status is not JobStatus.RUNNING:
            change(self._store, job.name, lambda job: move(job, JobStatus.RUNNING, at))
        if run.status is not JobStatus.RUNNING:
            change(self._store, job.name, lambda job: move_run(job, stage, JobStatus.RUNNING, at))
        self._tell(job.name, f"Submitting 1 runs, first five are: {stage}:{run.name}.")
        specification = self._specification(job, stage)
        process = processes.start(self._engine.stage, specification, log_file(self._places.blobs, run.name))
        if mark := processes.mark(process):
            change(self._store, job.name, lambda job: process_started(job, stage, mark, at))
        self._processes[job.name] = process
        return process

    def _ended(self, name: str, stage: Stage, code: int) -> bool:
        job = self._store.get(KIND, name, Job)
        assert job is not None, name
        if job.status is JobStatus.CANCEL_REQUESTED:
            self._end_canceled(name)
            return False
        if code == 0:
            change(self._store, name, lambda job: move_run(job, stage, JobStatus.COMPLETED, self._clock()))
            self._tell(name, f"Completing processing run id {job.run(stage).name}.")
            return True
        self._fail(name, stage, self._error(job, stage, code))
        return False

    def _fail(self, name: str, stage: Stage | None, error: StageError) -> None:
        def failed(job: Job) -> Job:
            at, cause = self._clock(), error
            if stage:
                job = move_run(job, stage, JobStatus.FAILED, at, error)
                # The wording of Azure ML's own pipeline error; the cause is on the child run, as there.
                cause = StageError(
                    error.code,
                    f"Pipeline has failed child jobs. Failed nodes: /{job.node}/{stage}. For more details and logs, "
                    "please go to the job detail page and check the child jobs.",
                )
            return move(job, JobStatus.FAILED, at, cause)

        self._change(name, failed)
        self._tell(name, f"The pipeline run failed{f' in {stage}' if stage else ''}.")

    def _end_canceled(self, name: str) -> None:
        change(self._store, name, lambda job: end_canceled(job, self._clock()))
        self._tell(name, "The pipeline run was canceled.")
        self._canceled(name)

    def _change(self, name: str, step: Callable[[Job], Job]) -> None:
        with self._lock:
            change(self._store, name, step)

    def _specification(self, job: Job, stage: Stage) -> Path:
        places, run = self._places, job.run(stage)
        folders = {other.stage: run_folder(places.blobs, places.container, other.name) for other in job.runs}
        inputs = dict(job.inputs)
        if stage is Stage.FINETUNE and run.attempt:
            inputs["resume_from_checkpoint"] = "true"
        folders[stage].mkdir(parents=True, exist_ok=True)
        (folders[stage] / "error.json").unlink(missing_ok=True)
        specification = StageSpec(
            stage=stage,
            job=job.name,
            run=run.name,
            folder=folders[stage],
            folders=folders,
            inputs=inputs,
            tracking_uri=places.tracking_uri,
            token=self._mint(),
            ca_file=places.ca_file,
        )
        places.work.mkdir(parents=True, exist_ok=True)
        path = self._specification_file(job, stage)
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(specification, enc_hook=str))
        return path

    def _specification_file(self, job: Job, stage: Stage) -> Path:
        return self._places.work / f"{job.run(stage).name}.json"

    def _error(self, job: Job, stage: Stage, code: int) -> StageError:
        folder = run_folder(self._places.blobs, self._places.container, job.run(stage).name)
        try:
            return msgspec.json.decode((folder / "error.json").read_bytes(), type=StageError)
        except (OSError, msgspec.MsgspecError):
            return StageError(
                "SystemError",
                f"Execution failed. User process 'python' exited with status code {code}. Please check log file "
                "'user_logs/std_log.txt' for error details.",
            )

    def _tell(self, name: str, sentence: str) -> None:
        """Add a line to the pipeline's own log, as Azure ML's orchestrator writes it."""
        folder = artifacts(self._places.blobs, name) / "logs" / "azureml"
        folder.mkdir(parents=True, exist_ok=True)
        for empty in ("stderrlogs.txt", "stdoutlogs.txt"):
            (folder / empty).touch()
        with (folder / "executionlogs.txt").open("a") as file:
            file.write(f"[{self._clock():%Y-%m-%d %H:%M:%SZ}] {sentence}\n")
