"""`measure`: a scan and its two masks in, `Findings` out."""

from __future__ import annotations

import numpy as np

from groundglass.errors import NoLungError
from groundglass.findings import (
    Findings,
    IntensityFindings,
    LesionFindings,
    LungBurden,
    LungFindings,
    LungVolume,
    Quality,
    ScanFindings,
    SliceProfile,
    ZoneBurden,
    Zones,
)
from groundglass.findings.routes import Routes
from groundglass.geometry import AxisOrder
from groundglass.intensity import AIR_HU
from groundglass.measurement.counts import (
    ZONE_NAMES,
    SliceCounts,
    checked_masks,
    count_slices,
    hu_histograms,
)
from groundglass.measurement.diagnosis import diagnose
from groundglass.measurement.lesions import LesionTable, smallest_counted, tabulate_lesions
from groundglass.measurement.measured_route import measured_alone, measured_route
from groundglass.measurement.quality import check_quality
from groundglass.measurement.reliability import caveats, reasons_not_reliable
from groundglass.measurement.settings import MeasureSettings
from groundglass.measurement.severity import grade_severity
from groundglass.measurement.uncertainty import (
    ITEMS_DEFINITION,
    LesionProbability,
    lesion_items,
    scan_uncertainty,
)
from groundglass.volume import Volume

ZONE_DEFINITION = (
    "Thirds of each lung's own extent along the body axis (from its lowest to its highest slice), "
    "counted in slices; null where a lung spans fewer than three slices. Not anatomical lobes."
)
_SIDES = ("right", "left")


def measure(
    volume: Volume,
    lungs: np.ndarray,
    lesions: np.ndarray,
    *,
    settings: MeasureSettings | None = None,
    probability: LesionProbability | None = None,
) -> Findings:
    """Measure one scan.

    Shape: `lungs` (1 right, 2 left) and `lesions` (1) as `volume`, in any axis order. Only
    lesion voxels inside the lungs count; what lies outside is named in `warnings`. Volumes
    use the true voxel volume, on tilted grids too. Without the `probability` behind the lesions
    nothing is said about their uncertainty.
    Raises: NoLungError where the lung mask is empty; GeometryError, InputError for masks that
    do not fit.
    """
    settings = settings or MeasureSettings()
    lungs, lesions = checked_masks(volume, lungs, lesions)
    axial, order = volume.to_axial()
    lungs, lesions = order.apply(lungs), order.apply(lesions)
    counts = count_slices(lungs, lesions)
    if counts.lung.sum() == 0:
        raise NoLungError(
            f"scan {volume.source.scan_id!r} has an empty lung mask, so there is no share to "
            "measure",
            remedy="Look at the scan; see `groundglass inspect` for what it holds",
        )
    aerated, sick = hu_histograms(axial.array, lungs, lesions) if volume.is_hu else (None, None)
    chance = None if probability is None else order.apply(probability.checked(volume.shape))
    table = tabulate_lesions(
        lungs,
        lesions,
        counts,
        probability=chance,
        cuts=None if probability is None else probability.cuts(settings),
    )
    uncertainty = None
    if probability is not None and chance is not None:
        uncertainty = scan_uncertainty(
            table, probability, lungs=lungs, axial_chance=chance, volume=volume, settings=settings
        )
    burden = _measure_lesions(volume, order, counts, table, sick, settings)
    burden = burden.model_copy(update={"uncertainty": uncertainty})
    voxels = counts.lung.sum(axis=0)
    total_ml = _ml(volume, int(voxels.sum()))
    quality = check_quality(
        volume, lungs, lungs_ml=total_ml, aerated_histogram=aerated, settings=settings
    )
    return Findings(
        scan=_describe_scan(volume),
        lungs=LungFindings(
            right=LungVolume(volume_ml=_ml(volume, int(voxels[0]))),
            left=LungVolume(volume_ml=_ml(volume, int(voxels[1]))),
            total=LungVolume(volume_ml=total_ml),
        ),
        lesions=burden,
        profile=_profile(axial, order, counts),
        severity=grade_severity(
            burden.involvement_percent,
            _zone_shares(burden.right),
            _zone_shares(burden.left),
            noise_floor_percent=settings.noise_floor_percent,
        ),
        diagnosis=diagnose(
            burden,
            lesion_voxels_by_zone=_lesion_by_zone(counts),
            has_both_lungs=bool(voxels.all()),
            noise_floor_percent=settings.noise_floor_percent,
        ),
        routes=_routes(volume, counts, burden, quality, settings),
        quality=quality,
        warnings=_warnings(volume, counts, lesion_voxels=int(np.count_nonzero(lesions))),
    )


def _routes(
    volume: Volume,
    counts: SliceCounts,
    burden: LesionFindings,
    quality: Quality,
    settings: MeasureSettings,
) -> Routes:
    return measured_alone(
        measured_route(
            burden,
            not_reliable=reasons_not_reliable(volume, counts, quality, settings),
            caveats=caveats(volume, quality),
            noise_floor_percent=settings.noise_floor_percent,
        )
    )


def _measure_lesions(
    volume: Volume,
    order: AxisOrder,
    counts: SliceCounts,
    table: LesionTable,
    sick: np.ndarray | None,
    settings: MeasureSettings,
) -> LesionFindings:
    total, sizes = int(counts.lesion.sum()), table.voxels
    voxel_ml = volume.voxel_volume_ml
    smallest = smallest_counted(
        voxel_ml, settings.smallest_lesion_ml, settings.smallest_lesion_voxels
    )
    right, left = (_lung_burden(volume, counts, side) for side in range(2))
    consolidated = None
    if sick is not None and total:
        edge = int(np.ceil(settings.consolidation_from_hu)) - AIR_HU
        consolidated = round(100.0 * float(sick[max(edge, 0) :].sum()) / total, 3)
    size_text = f"{smallest} voxels"
    if voxel_ml is not None:
        size_text += f" ({smallest * voxel_ml:.3g} ml)"
    return LesionFindings(
        volume_ml=_ml(volume, total),
        involvement_percent=_percent(total, int(counts.lung.sum())) or 0.0,
        right=right,
        left=left,
        zone_definition=ZONE_DEFINITION,
        count=int(np.count_nonzero(sizes >= smallest)),
        count_definition=(
            f"26-connected lesions of at least {size_text}; smaller ones are part of the "
            "volumes but not of the count."
        ),
        largest_volume_ml=_ml(volume, int(sizes[0])) if total else None,
        largest_share_percent=_percent(int(sizes[0]), total) if total else None,
        ground_glass_percent=None if consolidated is None else round(100.0 - consolidated, 3),
        consolidation_percent=consolidated,
        density_definition=(
            f"Lesion voxels below {settings.consolidation_from_hu:g} HU are ground glass, at or "
            "above consolidation, vessels inside lesions included (threshold: BMC Infect Dis "
            "2021, doi:10.1186/s12879-021-06556-z); null where intensities are not HU."
        ),
        items=lesion_items(table, volume=volume, order=order, smallest=smallest, settings=settings),
        items_definition=ITEMS_DEFINITION.format(number=settings.listed_lesions),
        uncertainty=None,
    )


def _lung_burden(volume: Volume, counts: SliceCounts, side: int) -> LungBurden:
    zones = counts.zone_counts(side)
    parts = {
        name: ZoneBurden(
            volume_ml=_ml(volume, zones[z][1]) if zones else None,
            involvement_percent=_percent(zones[z][1], zones[z][0]) if zones else None,
        )
        for z, name in enumerate(ZONE_NAMES)
    }
    lung, lesion = int(counts.lung[:, side].sum()), int(counts.lesion[:, side].sum())
    return LungBurden(
        volume_ml=_ml(volume, lesion),
        involvement_percent=_percent(lesion, lung),
        zones=Zones(**parts),
    )


def _zone_shares(lung: LungBurden) -> tuple[float | None, float | None, float | None]:
    zones = lung.zones
    return (
        zones.upper.involvement_percent,
        zones.middle.involvement_percent,
        zones.lower.involvement_percent,
    )


def _lesion_by_zone(counts: SliceCounts) -> dict[str, int]:
    pooled: dict[str, int] = dict.fromkeys(ZONE_NAMES, 0)
    for side in range(2):
        for name, (_, lesion) in zip(ZONE_NAMES, counts.zone_counts(side) or [], strict=False):
            pooled[name] += lesion
    return pooled


def _profile(axial: Volume, order: AxisOrder, counts: SliceCounts) -> SliceProfile:
    slices, rows, columns = axial.shape
    along = np.arange(slices)
    center = np.stack(
        [
            along,
            np.full(slices, (rows - 1) / 2),
            np.full(slices, (columns - 1) / 2),
            np.ones(slices),
        ]
    )
    z = (axial.affine @ center)[2]
    shares = counts.involvement_percent()
    return SliceProfile(
        array_axis=order.source[0],
        index=(along[::-1] if order.flipped[0] else along).tolist(),
        position_mm=[round(float(value), 3) for value in z] if axial.spacing_is_real else None,
        involvement_percent=[None if np.isnan(s) else round(float(s), 3) for s in shares],
    )


def _describe_scan(volume: Volume) -> ScanFindings:
    d, h, w = volume.spacing_mm
    intensity = volume.intensity
    return ScanFindings(
        id=volume.source.scan_id,
        kind=volume.source.kind,
        series_uid=volume.source.series_uid or None,
        shape=volume.shape,
        spacing_mm=(round(d, 6), round(h, 6), round(w, 6)) if volume.spacing_is_real else None,
        intensity=IntensityFindings(
            domain=intensity.domain,  # pyright: ignore[reportArgumentType]  checked by the model
            found=intensity.found,
            evidence=intensity.evidence,
            window_hu=intensity.window_hu,
        ),
    )


def _warnings(volume: Volume, counts: SliceCounts, *, lesion_voxels: int) -> list[str]:
    out = [f.message for f in volume.source.findings if f.severity != "info"]
    for side, name in enumerate(_SIDES):
        if counts.lung[:, side].sum() == 0:
            out.append(f"No {name} lung was found; its figures are null or 0.")
    outside = lesion_voxels - int(counts.lesion.sum())
    if outside:
        out.append(
            f"{100.0 * outside / lesion_voxels:.1f} % of the lesion mask lies outside the lungs "
            "and was not counted."
        )
    if not volume.spacing_is_real:
        out.append("The input has no physical units: volumes in ml are not given, shares are.")
    return out


def _ml(volume: Volume, voxels: int) -> float | None:
    voxel_ml = volume.voxel_volume_ml
    return None if voxel_ml is None else round(voxels * voxel_ml, 3)


def _percent(part: int, whole: int) -> float | None:
    return round(100.0 * part / whole, 3) if whole else None
