"""The node's worker processes: started, started again when they die, told to stop."""

from __future__ import annotations

import logging
import multiprocessing
import time
from multiprocessing.context import SpawnProcess

from groundglass.server.analysis import MakeAnalyze
from groundglass.server.settings import ServeSettings
from groundglass.server.worker import work

log = logging.getLogger(__name__)

_LONGEST_WAIT_SECONDS = 60.0
_HEALTHY_SECONDS = 60.0
_AFTER_DRAIN_SECONDS = 10.0


class WorkerPool:
    """`count` workers. One that dies soon after its start is started again later and later."""

    def __init__(self, settings: ServeSettings, make: MakeAnalyze, count: int) -> None:
        self._settings = settings
        self._make = make
        self._context = multiprocessing.get_context("spawn")
        self._slots = [_Slot() for _ in range(count)]

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that live."""
        running = [slot.process for slot in self._slots if slot.process is not None]
        return [process.pid for process in running if process.pid and process.is_alive()]

    def look(self) -> None:
        """Start what is missing."""
        now = time.monotonic()
        for number, slot in enumerate(self._slots, 1):
            if slot.process is not None and not slot.process.is_alive():
                code = slot.process.exitcode
                log.error("worker %d ended with code %s; another starts", number, code)
                slot.died(now)
            if slot.process is None and now >= slot.start_at:
                slot.process = self._context.Process(
                    target=work, args=(self._settings, self._make), name=f"worker-{number}"
                )
                slot.process.start()
                slot.started = now

    def stop(self) -> None:
        """Let the workers end: what they have at hand, they finish or give back."""
        for slot in self._slots:
            if slot.process is not None:
                slot.process.terminate()
        until = time.monotonic() + self._settings.drain_seconds + _AFTER_DRAIN_SECONDS
        for slot in self._slots:
            if slot.process is not None:
                slot.process.join(max(0.0, until - time.monotonic()))
                if slot.process.is_alive():
                    slot.process.kill()
                    slot.process.join()


class _Slot:
    def __init__(self) -> None:
        self.process: SpawnProcess | None = None
        self.started = 0.0
        self.start_at = 0.0
        self.wait_seconds = 0.0

    def died(self, now: float) -> None:
        if now - self.started > _HEALTHY_SECONDS:
            self.wait_seconds = 0.0
        self.start_at = now + self.wait_seconds
        self.wait_seconds = min(max(1.0, 2 * self.wait_seconds), _LONGEST_WAIT_SECONDS)
        self.process = None
