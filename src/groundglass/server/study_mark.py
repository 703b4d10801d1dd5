"""What can be told of a study without listing its objects: enough to leave it alone.

A folder's time changes when a name comes or goes in it, and objects are names that only come. To
look at a study therefore costs what its series number, not what its objects do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SURE_SECONDS = 1.0
"""Well above the grain of a file system's times (some 10 ms): two changes within it look alike."""


@dataclass(frozen=True)
class StudyMark:
    """When each series got its last object, and when the queue was given the study; in ns."""

    series_ns: tuple[tuple[str, int], ...]
    submitted_ns: int | None

    @property
    def last_received(self) -> float:
        """In seconds since 1970."""
        return self._last_ns / 1e9

    @property
    def grew_since_submitted(self) -> bool:
        """Whether objects came for certain; those of the last moments before are not told apart."""
        return self.submitted_ns is not None and self._last_ns > self.submitted_ns

    @property
    def _last_ns(self) -> int:
        return max(time for _, time in self.series_ns)

    def is_sure(self, now: float) -> bool:
        """Whether the next object would change the mark. `now`: when it was read."""
        return now - self.last_received >= _SURE_SECONDS


def read_mark(folder: Path) -> StudyMark | None:
    """The mark of the study in `folder`, or None where it has no series."""
    series: list[tuple[str, int]] = []
    submitted = None
    try:
        for child in folder.iterdir():
            if child.name == "submitted":
                submitted = child.stat().st_mtime_ns
            elif child.is_dir():
                series.append((child.name, child.stat().st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError):  # removed or marked anew meanwhile
        return None
    return StudyMark(tuple(sorted(series)), submitted) if series else None
