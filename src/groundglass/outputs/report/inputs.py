"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from groundglass.classification import ScanClassification
from groundglass.errors import GeometryError, OutputError
from groundglass.findings import Findings
from groundglass.volume import Volume

REFERENCE_NAMES = ("lungs", "lesions")


@dataclass(frozen=True)
class ReportInputs:
    """A scan, its masks, its findings, and how they came about.

    Shape: `lungs` and `lesions` as `volume`, in any axis order; so are the arrays of
    `reference` (keys 'lungs', 'lesions'), which is drawn beside the result and compared.
    `provenance` is free: its top-level keys become headings (weights, versions, recipe,
    seconds, ...), nested values become rows. `classification`: the learned answer that is in the
    findings, for its maps and weights of all slices.
    Raises: GeometryError where a shape differs, OutputError for an unknown reference or a
    classification that the findings do not hold.
    """

    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    findings: Findings
    provenance: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, np.ndarray] | None = None
    classification: ScanClassification | None = None

    def __post_init__(self) -> None:
        self._check_masks()
        if self.classification is not None:
            self._check_classification(self.classification)

    def _check_masks(self) -> None:
        masks = {"lungs": self.lungs, "lesions": self.lesions}
        for name, mask in (self.reference or {}).items():
            if name not in REFERENCE_NAMES:
                raise OutputError(
                    f"reference {name!r} is unknown", expected=" or ".join(REFERENCE_NAMES)
                )
            masks[f"reference {name}"] = mask
        for name, mask in masks.items():
            if mask.shape != self.volume.shape:
                raise GeometryError(
                    f"{name} mask has shape {mask.shape}",
                    expected=f"the scan's {self.volume.shape}",
                )

    def _check_classification(self, classification: ScanClassification) -> None:
        learned = self.findings.routes.learned
        if learned is None or learned.name != classification.name:
            raise OutputError(
                f"classification by {classification.name!r} is not in the findings",
                expected="the learned route that was made of it",
            )
        depth, *plane = self.volume.to_axial()[0].shape
        for name in ("diagnosis", "severity"):
            for d, region in getattr(classification, name).regions.items():
                if not 0 <= d < depth or region.shape != tuple(plane):
                    raise GeometryError(
                        f"map of {name} for slice {d} has shape {region.shape}",
                        expected=f"{tuple(plane)} for a slice from 0 to {depth - 1}",
                    )
