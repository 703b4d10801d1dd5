"""What the routes work on: settings, spool and queue, and the HTTP side's own state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundglass.server.audit import AuditLog
from groundglass.server.http.body import BodyLimits
from groundglass.server.http.metrics import Metrics
from groundglass.server.http.parts import PartLimits
from groundglass.server.http.uploads import Uploads
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

if TYPE_CHECKING:
    from groundglass.server.jobs import JobStore

_MIB = 1 << 20


@dataclass(frozen=True)
class Node:
    """One node as its routes see it."""

    settings: ServeSettings
    spool: Spool
    jobs: JobStore
    uploads: Uploads
    audit: AuditLog
    metrics: Metrics

    @property
    def body_limits(self) -> BodyLimits:
        """A request may be as large as a study."""
        return BodyLimits(max_bytes=self.settings.limits.max_study_mib * _MIB)

    @property
    def part_limits(self) -> PartLimits:
        """A request may have as many objects as a study."""
        limits = self.settings.limits
        return PartLimits(limits.max_instances, limits.max_object_mib * _MIB)

    @property
    def max_object_bytes(self) -> int:
        """The largest single object."""
        return self.settings.limits.max_object_mib * _MIB
