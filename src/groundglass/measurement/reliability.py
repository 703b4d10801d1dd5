"""When the measured share must not be used as an answer, and what weakens it without that."""

from __future__ import annotations

import numpy as np

from groundglass.findings import Quality
from groundglass.measurement.counts import SliceCounts
from groundglass.measurement.settings import MeasureSettings
from groundglass.volume import Volume

_SIDES = ("right", "left")


def reasons_not_reliable(
    volume: Volume, counts: SliceCounts, quality: Quality, settings: MeasureSettings
) -> list[str]:
    """Sentences, each a reason why the share of the lungs is no answer; empty where it is one.

    What is wrong with the lungs' own figure is wrong with every share of it. Whether intensities
    are HU is no reason: the networks learned from 8-bit scans too.
    """
    out = [check.text for check in (quality.lung_volume, quality.intensities) if check.flag]
    pixel_mm = max(volume.to_axial()[0].spacing_mm[1:])
    if volume.spacing_is_real and pixel_mm > settings.coarsest_pixel_mm:
        out.append(
            f"Pixels of {pixel_mm:.1f} mm are coarser than {settings.coarsest_pixel_mm:g} mm: "
            "vessels can pass for lesions."
        )
    slices = int(np.count_nonzero(counts.lung.sum(axis=1)))
    if slices < settings.fewest_lung_slices:
        noun = "slice shows" if slices == 1 else "slices show"
        out.append(
            f"Only {slices} {noun} lung; fewer than {settings.fewest_lung_slices} cannot stand "
            "for whole lungs."
        )
    found = counts.lung.sum(axis=0) > 0
    if not found.all():
        missing = _SIDES[int(np.argmin(found))]
        out.append(f"No {missing} lung was found, so the share of both lungs is not known.")
    return out


def caveats(volume: Volume, quality: Quality) -> list[str]:
    """Sentences on what was not checked, and on what is missing from the share."""
    out = []
    if not volume.is_hu:
        out.append(
            "Intensities are not HU: lesions had no floor of density, and the lungs' density was "
            "not checked."
        )
    if not volume.spacing_is_real:
        out.append("No physical units: lung volume and size of the pixels were not checked.")
    if quality.edge.flag:
        out.append(quality.edge.text)
    if quality.gaps.flag:
        out.append("Slices are missing or uneven, and what lies between was interpolated.")
    return out
