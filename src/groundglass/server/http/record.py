"""What a request brought, in the metrics and the audit file: numbers and study labels only."""

from __future__ import annotations

import logging
from collections import Counter

from groundglass.errors import OutputError
from groundglass.server.audit import Event
from groundglass.server.http.node import Node
from groundglass.server.http.stow_reply import Outcome
from groundglass.server.spooled_study import Origin

_logger = logging.getLogger("groundglass.server.http")


def record(node: Node, outcome: Outcome, origin: Origin, *, front: str) -> None:
    """One audit line per study and reason refused; what came, the intake writes later."""
    node.metrics.received(front, len(outcome.kept), outcome.kept_bytes, len(outcome.failed))
    refused = Counter(
        (one.found.study_uid if one.found else "", one.kind) for one in outcome.failed
    )
    for (study_uid, why), count in refused.items():
        audit(node, "refused", study_uid, origin, objects=count, why=why)


def audit(
    node: Node,
    event: Event,
    study_uid: str,
    origin: Origin,
    *,
    job: str | None = None,
    **facts: str | int,
) -> None:
    """One line. What was kept is kept also where the line cannot be written: that is logged."""
    try:
        node.audit.write(
            event,
            study_uid,
            job=job,
            **facts,
            via="http",
            sender=origin.sender,
            address=origin.address,
        )
    except OutputError as error:
        _logger.error("%s", error)
