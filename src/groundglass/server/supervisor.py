"""The node: listeners, workers, and the rounds that move studies on, started and stopped."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence

from groundglass.errors import OutputError, SettingsError
from groundglass.server.analysis import MakeAnalyze, PipelineAnalysis
from groundglass.server.contracts import Deliver, Running, StartFront
from groundglass.server.delivery_loop import DeliveryLoop
from groundglass.server.intake import Intake
from groundglass.server.job_files import remove_dead_tries
from groundglass.server.jobs import JobStore
from groundglass.server.repeating import Repeating
from groundglass.server.retention import Retention
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.worker_pool import WorkerPool

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 600.0
_LOOK_SECONDS = 2.0
_WORKERS_SECONDS = 0.5


class Supervisor:
    """One node on one folder. `fronts` take objects, `deliver` sends results."""

    def __init__(
        self,
        settings: ServeSettings,
        *,
        fronts: Sequence[StartFront] = (),
        deliver: Deliver | None = None,
        make: MakeAnalyze = PipelineAnalysis,
    ) -> None:
        self.settings = settings
        self._fronts = fronts
        self._deliver = deliver
        self._make = make
        self._ended = threading.Event()

    def stop(self) -> None:
        """Let `run` come to its end; may be called from a signal handler."""
        self._ended.set()

    def run(self) -> None:
        """Serve until stopped: then nothing new is taken, and work at hand is finished or given
        back.

        Raises: SettingsError where another node serves the folder, OutputError where the folder
        cannot be written, QueueError where the database cannot be used, whatever a front raises.
        """
        settings = self.settings
        with _sole_server(settings):
            spool = Spool(settings.spool_folder, settings.limits)
            jobs = JobStore.from_settings(settings)
            try:
                left = spool.clean() + remove_dead_tries(settings, jobs)
                if left:
                    log.info("removed %d leftovers of a node that was killed", left)
                self._serve(spool, jobs)
            finally:
                jobs.close()

    def _serve(self, spool: Spool, jobs: JobStore) -> None:
        pool = WorkerPool(self.settings, self._make, self.settings.workers)
        running: list[Running] = []
        rounds: list[Repeating] = []
        try:
            for start in self._fronts:
                running.append(start(self.settings, spool, jobs))
            pool.look()
            rounds += self._rounds(spool, jobs)
            log.info("node in %s is ready, %d workers", self.settings.folder, self.settings.workers)
            while not self._ended.wait(_WORKERS_SECONDS):
                pool.look()
        finally:
            log.info("node is stopping")
            for front in running:
                front.stop()
            for one in rounds:
                one.stop()
            pool.stop()
            for one in rounds:
                one.join(self.settings.send.timeout_seconds)

    def _rounds(self, spool: Spool, jobs: JobStore) -> list[Repeating]:
        settings = self.settings
        intake = Intake(settings, spool, jobs)
        retention = Retention(settings, spool, jobs)
        rounds = [
            Repeating("intake", min(_LOOK_SECONDS, settings.quiet_seconds / 2), intake.look),
            Repeating("retention", _SWEEP_SECONDS, retention.sweep),
        ]
        if self._deliver is not None and settings.peers:
            name = f"{socket.gethostname()}-{os.getpid()}"
            loop = DeliveryLoop(settings, jobs, self._deliver, name=name)
            rounds.append(Repeating("dead deliveries", _SWEEP_SECONDS, loop.set_aside_dead))
            rounds += [
                Repeating(f"delivery-{number + 1}", _LOOK_SECONDS, loop.send_all)
                for number in range(settings.send.parallel)
            ]
        return rounds


@contextlib.contextmanager
def _sole_server(settings: ServeSettings) -> Iterator[None]:
    """Hold the folder: the system gives it back when the process ends, however it does."""
    try:
        for made in (settings.folder, settings.uploads_folder, settings.results_folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(settings.folder / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(
            f"folder {settings.folder} cannot be written ({error.strerror})",
            remedy="Give this user the right to, or name another folder",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise SettingsError(
            f"folder {settings.folder} is served by another node",
            expected="one node for a folder",
            remedy="Stop it, or name another folder",
        ) from error
    try:
        yield
    finally:
        os.close(handle)
