"""A process of its own for analyses: what crashes or eats all memory in there ends one try."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from groundglass.errors import (
    GroundglassError,
    InputError,
    MissingExtraError,
    NoLungError,
    SettingsError,
    WeightsError,
)
from groundglass.server.analysis import AnalysisRequest, MakeAnalyze
from groundglass.server.log import place_of, set_up_node_logging
from groundglass.server.settings import AnalysisSettings

_POLL_SECONDS = 0.1
_HOPELESS = (InputError, NoLungError, SettingsError, WeightsError, MissingExtraError)
"""Errors that another try meets again."""


class TryFailedError(Exception):
    """An analysis did not come to its end. `can_retry`: another try may."""

    def __init__(self, text: str, *, kind: str, can_retry: bool) -> None:
        super().__init__(text)
        self.kind = kind
        self.can_retry = can_retry


@dataclass(frozen=True)
class _Failure:
    text: str
    kind: str
    can_retry: bool


class StoppedError(Exception):
    """The analysis was killed because it was no longer wanted."""


class AnalysisProcess:
    """Runs analyses one after the other in a child, which is made anew after it died."""

    def __init__(self, make: MakeAnalyze, settings: AnalysisSettings) -> None:
        self._make = make
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._pipe: Connection | None = None

    def run(self, request: AnalysisRequest, *, is_wanted: Callable[[], bool]) -> dict[str, Any]:
        """What the analysis says. Raises: TryFailedError, StoppedError; then nothing runs on."""
        pipe = self._running()
        deadline = time.monotonic() + self._settings.minutes * 60
        try:
            pipe.send(request)
            while not pipe.poll(_POLL_SECONDS):
                if not is_wanted():
                    self.stop()
                    raise StoppedError
                if time.monotonic() > deadline:
                    self.stop()
                    raise TryFailedError(
                        f"The analysis took longer than {self._settings.minutes:g} minutes "
                        "(analysis.minutes) and was killed.",
                        kind="TooLong",
                        can_retry=True,
                    )
            answer = pipe.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if isinstance(answer, _Failure):
            raise TryFailedError(answer.text, kind=answer.kind, can_retry=answer.can_retry)
        return answer

    def stop(self) -> None:
        """Kill the child: it holds nothing that is not made again."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def _running(self) -> Connection:
        if self._pipe is not None and self._process.is_alive():
            return self._pipe
        self.stop()
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve, args=(theirs, self._make, self._settings), daemon=True, name="analysis"
        )
        self._process.start()
        theirs.close()
        self._pipe = ours
        return ours

    def _died(self) -> TryFailedError:
        self._process.join(10)
        code = self._process.exitcode
        self.stop()
        how = f"ended with code {code}"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
            if code == -signal.SIGKILL:
                how += "; most often the system does that when memory runs out"
        return TryFailedError(f"The analysis process {how}.", kind="Died", can_retry=True)


def _serve(pipe: Connection, make: MakeAnalyze, settings: AnalysisSettings) -> None:
    """The child: one request after the other until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the whole group
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_up_node_logging()
    analyze = None
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        try:
            if analyze is None:
                analyze = make(settings)
            answer: Any = analyze(request)
        except Exception as error:
            answer = _as_failure(error)
        pipe.send(answer)


def _as_failure(error: Exception) -> _Failure:
    """An error that a pipe carries. What foreign code says may quote a header, so only its place
    is told.
    """
    kind = type(error).__name__
    if isinstance(error, GroundglassError):
        can_retry = not isinstance(error, _HOPELESS)
        return _Failure(str(error), kind, can_retry)
    if isinstance(error, MemoryError):
        return _Failure("The analysis ran out of memory.", kind, True)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _Failure("The node's disk is full.", kind, True)
    return _Failure(f"The analysis broke off: {place_of(error)}.", kind, True)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            parent.join()
        os._exit(1)  # the lease is another worker's by and by, and so is the work
