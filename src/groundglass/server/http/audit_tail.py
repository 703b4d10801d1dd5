"""The lines that were added to the audit file since last time.

Listeners, workers and senders are threads and processes of their own; the audit file is what all
of them write to, so that it can be counted for all of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_MOST_BYTES = 16 << 20
"""Read at a time; a file that grew by more is caught up with the next time."""


class AuditTail:
    """Reads on from the file's end as it was when this was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = self._size()

    def new_events(self) -> list[dict[str, Any]]:
        """Whole lines since last time; what is no JSON object is left out."""
        if self._size() < self._offset:
            self._offset = 0  # the file was rotated away
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_MOST_BYTES)
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line))]

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
