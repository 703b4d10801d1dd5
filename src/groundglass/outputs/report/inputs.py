"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
    seconds, ...), nested values become rows.
    Raises: GeometryError where a shape differs, OutputError for an unknown reference.
    """

    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    findings: Findings
    provenance: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
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
