"""A lease held by a thread for as long as a block runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from groundglass.errors import LeaseLostError, QueueError

log = logging.getLogger(__name__)


class Heartbeat:
    """Calls `beat` every `seconds` in the background until the block ends.

    `is_lost` turns true where the lease does not hold any more. A database that does not answer
    is asked again: whether the lease held is found out at the end, and cannot be lied about.
    """

    def __init__(self, beat: Callable[[], object], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    @property
    def is_lost(self) -> bool:
        """Whether another has it, or it was canceled."""
        return self._lost.is_set()

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._beat()
            except LeaseLostError:
                self._lost.set()
                return
            except QueueError as error:
                log.warning("heartbeat: %s", error)
