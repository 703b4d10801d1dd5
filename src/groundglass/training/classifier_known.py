"""What a classifier has learned from, kept so that analysis can tell a scan that is unlike it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from groundglass.datasets.index import IndexRow, load_prepared
from groundglass.errors import WeightsError
from groundglass.metrics.familiarity import FEWEST, Familiar, Limit, LungLook, PooledFeatures
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.training.slice_sources import FeatureSlices
from groundglass.weights.classifier_manifest import KnownPart, Span
from groundglass.weights.manifest import WeightsFile

KNOWN_FILE = "known.npz"
WIDER = 1.25
"""Spans of the training scans reach so far beyond the least and the greatest: a quarter more, as a
classifier does not stop at the last scan it saw, and few scans do not show all there are. The
median of the lungs, which may be negative, reaches a quarter of its span further."""
LEAST_SHIFT = 25.0
"""Of that median, in HU or gray levels: inflation alone moves it so much."""


def write_known(
    run: FinishedClassifier, held_out: Sequence[IndexRow], slices: int, folder: Path
) -> KnownPart:
    """Write known.npz from the training scans; the limit is that of the held-out ones.

    `slices`: the most that are shown of a scan.
    Raises: DatasetError where features are missing; WeightsError where a scan with numbers that
    cannot be compared comes out.
    """
    source, rows = FeatureSlices(run.features), run.sides.train
    vectors, steps, counts, looks = [], [], [], []
    for row in rows:
        found = source.read(row.scan_id, most=slices)
        vectors.append(PooledFeatures.of(found.values))
        counts.append(len(found.slices))
        if row.slice_mm is not None and len(found.slices) > 1:
            steps.append(float(np.diff(found.slices).mean()) * row.slice_mm)
        scan = load_prepared(run.index, row)
        look = LungLook.of(scan.image[found.slices], scan.lungs[found.slices])
        looks += [] if look is None else [look]
    domains = tuple(sorted({row.domain for row in rows}))
    if len(domains) > 1:  # two units have no span
        looks = []
    familiar = Familiar.of(vectors)
    distances = [
        familiar.distance(PooledFeatures.of(source.read(row.scan_id, most=slices).values))
        for row in held_out
    ]
    if not np.isfinite(distances).all():
        raise WeightsError("distances of held-out scans are not finite", expected="finite numbers")
    learned = Familiar.left_out(vectors) if len(distances) < FEWEST else []
    limit, content = Limit.of(distances, learned), familiar.to_bytes()
    (folder / KNOWN_FILE).write_bytes(content)
    return KnownPart(
        file=WeightsFile(file=KNOWN_FILE, sha256=hashlib.sha256(content).hexdigest()),
        scans=len(rows),
        limit=limit.value,
        limit_rule=limit.rule,
        slices=_span(counts) or Span(low=1, high=1),
        shown_mm=_span(steps),
        lungs_ml=_span(row.lungs_ml for row in rows if row.lungs_ml),
        lung_median=_shifted([look.median for look in looks]),
        lung_noise=_span(look.noise for look in looks),
        domains=domains,
    )


def _span(values: Iterable[float | None]) -> Span | None:
    found = [value for value in values if value is not None]
    return Span(low=min(found) / WIDER, high=max(found) * WIDER) if found else None


def _shifted(values: Sequence[float]) -> Span | None:
    if not values:
        return None
    further = max(LEAST_SHIFT, (WIDER - 1) * (max(values) - min(values)))
    return Span(low=min(values) - further, high=max(values) + further)
