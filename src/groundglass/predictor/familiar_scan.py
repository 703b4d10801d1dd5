"""Why a classifier's answer must not be used: what of a scan is unlike those it learned from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from groundglass.io.phantom_mark import is_phantom_header
from groundglass.metrics.familiarity import Familiar, LungLook
from groundglass.volume import Volume
from groundglass.weights.classifier_manifest import ClassifierManifest, Span


@dataclass(frozen=True, eq=False)
class ShownScan:
    """What is compared of an axial scan: its lungs (D, H, W), the slices shown, their features.

    Shape: `slices` (K,) indices along D; `pooled` (2 C,), as `metrics.familiarity` pools; `look`
    is that of the slices shown, None where they hold too little lung.
    """

    axial: Volume
    lungs: np.ndarray
    slices: np.ndarray
    pooled: np.ndarray
    look: LungLook | None


def reasons_to_abstain(
    manifest: ClassifierManifest, familiar: Familiar, scan: ShownScan
) -> tuple[str, ...]:
    """Sentences with value and limit; none where the scan is like those learned from."""
    return tuple(_reasons(manifest, familiar, scan))


def _reasons(manifest: ClassifierManifest, familiar: Familiar, scan: ShownScan) -> Iterator[str]:
    known, volume = manifest.known, scan.axial
    if manifest.phantoms and not is_phantom_header(volume.source.header):
        yield (
            "The classifier was trained on made-up phantoms, and this scan is not marked as one: "
            "its answer has no meaning for a patient."
        )
    if volume.intensity.domain not in known.domains:
        yield (
            f"Intensities are {_domain(volume.intensity.domain)}; the classifier was trained on "
            f"{' and '.join(_domain(one) for one in known.domains)}."
        )
    yield from _outside("The number of slices shown to it is", len(scan.slices), known.slices)
    if volume.spacing_is_real:
        if known.shown_mm is not None and len(scan.slices) > 1:
            step = float(np.diff(scan.slices).mean()) * volume.spacing_mm[0]
            yield from _outside("The distance of the slices shown to it is", step, known.shown_mm)
        if known.lungs_ml is not None:
            ml = float(np.count_nonzero(scan.lungs)) * (volume.voxel_volume_ml or 0.0)
            yield from _outside("The lungs have", ml, known.lungs_ml, "ml")
    elif known.shown_mm is not None:
        yield (
            "The scan has no physical spacing, and the classifier was trained on slices "
            f"{known.shown_mm.low:.3g} to {known.shown_mm.high:.3g} mm apart."
        )
    if scan.look is not None and known.domains == (volume.intensity.domain,):
        unit = "HU" if volume.is_hu else "gray levels"
        if known.lung_median is not None:
            what = "The median of the lungs is"
            yield from _outside(what, scan.look.median, known.lung_median, unit)
        if known.lung_noise is not None:
            what = "Neighboring pixels of the lungs differ in the median by"
            yield from _outside(what, scan.look.noise, known.lung_noise, unit)
    distance = familiar.distance(scan.pooled)
    if distance > known.limit:
        yield (
            f"The scan looks unlike the {known.scans} scans that the classifier learned from: its "
            f"distance from them is {distance:.2f}, the limit is {known.limit:.2f} "
            f"({known.limit_rule})."
        )


def _domain(name: str) -> str:
    """A domain as a reader knows it."""
    return {"hu": "HU", "uint8": "8-bit gray levels"}.get(name, name)


def _outside(what: str, value: float, span: Span, unit: str = "mm") -> Iterator[str]:
    low, high = span.low, span.high
    if isinstance(value, int):  # a count, and so are its limits
        low, high, unit = math.ceil(low), math.floor(high), ""
    rounding = 1e-6 * max(abs(span.low), abs(span.high))
    if not span.low - rounding <= value <= span.high + rounding:
        said = f"{value:.4g} {unit}".rstrip()
        yield (
            f"{what} {said}; the scans that the classifier learned from have "
            f"{low:.4g} to {high:.4g} {unit}".rstrip()
            + ", margin included."
        )
