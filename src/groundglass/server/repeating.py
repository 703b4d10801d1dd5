"""Something done again and again in a thread, whatever goes wrong in between."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from groundglass.errors import GroundglassError
from groundglass.server.log import place_of

log = logging.getLogger(__name__)


class Repeating:
    """Calls `action` at once and every `seconds` from then on, until stopped."""

    def __init__(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        self._name = name
        self._seconds = seconds
        self._action = action
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do it no more; returns at once."""
        self._ended.set()

    def join(self, seconds: float) -> None:
        """Wait for the last round."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._action()
            except GroundglassError as error:
                log.error("%s: %s", self._name, error)
            except Exception as error:  # a thread that died in silence would stop the node
                log.error("%s: %s", self._name, place_of(error))
            self._ended.wait(self._seconds)
