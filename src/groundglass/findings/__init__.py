"""`Findings`: everything Groundglass says about one scan, as a versioned JSON document.

Rules that hold throughout: volumes are in ml and null where the scan has no physical units;
shares are percent (0 to 100) of the region named, and null where the region holds no lung;
right and left are the patient's. `findings_schema` gives the JSON Schema of the whole.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from groundglass.findings.part import Part as _Part
from groundglass.findings.routes import Routes

SCHEMA_VERSION = "1.2"
"""Major part: a field changed its meaning or went away. Minor part: fields were added."""

Percent = float | None
Milliliters = float | None


class IntensityFindings(_Part):
    """The domain of the scan's values and how it was found."""

    domain: Literal["hu", "window", "uint8"] = Field(
        description="hu: Hounsfield units. window: 8 bit over a known window. uint8: 8 bit, "
        "window unknown."
    )
    found: str = Field(description="header, detected, or given by the user.")
    evidence: str
    window_hu: tuple[float, float] | None = Field(
        description="The window that 0..255 spans, where domain is 'window'."
    )


class ScanFindings(_Part):
    """Which scan this is and on which grid it lies."""

    id: str
    kind: str = Field(description="Form of the input, for example dicom, nifti, nrrd, png.")
    series_uid: str | None = Field(description="DICOM series UID; null for other inputs.")
    shape: tuple[int, int, int] = Field(description="Voxels along the axes (D, H, W).")
    spacing_mm: tuple[float, float, float] | None = Field(
        description="Slice distance along the normal, row step, column step; null where the "
        "input has no physical units."
    )
    intensity: IntensityFindings


class LungVolume(_Part):
    volume_ml: Milliliters


class LungFindings(_Part):
    """Volumes of the segmented lungs, lesions included."""

    right: LungVolume
    left: LungVolume
    total: LungVolume


class ZoneBurden(_Part):
    """Lesions in one zone of one lung."""

    volume_ml: Milliliters = Field(description="Lesion volume in this zone.")
    involvement_percent: Percent = Field(
        ge=0, le=100, description="Lesion share of this zone's lung volume."
    )


class Zones(_Part):
    upper: ZoneBurden
    middle: ZoneBurden
    lower: ZoneBurden


class LungBurden(_Part):
    """Lesions in one lung, whole and by zone."""

    volume_ml: Milliliters = Field(description="Lesion volume in this lung.")
    involvement_percent: Percent = Field(
        ge=0, le=100, description="Lesion share of this lung's volume."
    )
    zones: Zones


class LesionItem(_Part):
    """One connected lesion; what needs a probability is null where none was given."""

    number: int = Field(ge=1, description="1 is the largest.")
    side: Literal["right", "left"] = Field(description="Where most of its voxels lie.")
    zone: Literal["upper", "middle", "lower"] | None = Field(
        description="The zone of that lung that holds most of it; null where there are no zones."
    )
    center_index: tuple[int, int, int] = Field(
        description="Voxel (D, H, W) of the masks at its center of mass, which can lie outside it."
    )
    center_mm: tuple[float, float, float] | None = Field(
        description="The same in LPS mm; null where the input has no physical units."
    )
    voxels: int = Field(ge=1)
    volume_ml: Milliliters
    share_percent: float = Field(ge=0, le=100, description="Share of the lesion volume.")
    mean_probability: float | None = Field(ge=0, le=1)
    low_confidence_percent: Percent = Field(ge=0, le=100, description="Share of its voxels.")
    voxels_low: int | None = Field(description="Low end of the range, as `items_definition` says.")
    voxels_high: int | None
    volume_low_ml: Milliliters
    volume_high_ml: Milliliters
    confidence: Literal["high", "moderate", "low"] | None


class Uncertainty(_Part):
    """How sure the network is of the whole lesion mask. Calibrated: its probabilities were fitted
    to what experts marked; else they are the network's own and mostly too sure."""

    is_calibrated: bool
    temperature: float = Field(gt=0, description="Divides the logits; 1 where none was fitted.")
    threshold: float = Field(description="Probability from which on a voxel is lesion.")
    range_probabilities: tuple[float, float] = Field(
        description="Probability from which voxels count at the high and at the low end of a range."
    )
    involvement_low_percent: float = Field(ge=0, le=100)
    involvement_high_percent: float = Field(ge=0, le=100)
    expected_involvement_percent: float = Field(
        ge=0, le=100, description="Mean probability over the lungs."
    )
    volume_low_ml: Milliliters
    volume_high_ml: Milliliters
    low_confidence_percent: Percent = Field(
        ge=0, le=100, description="Share of the lesion volume; null where there is none."
    )
    probability_definition: str
    range_definition: str
    confidence_definition: str


class LesionFindings(_Part):
    """How much of the lungs is lesion, where, in how many pieces and how dense."""

    volume_ml: Milliliters
    involvement_percent: float = Field(
        ge=0, le=100, description="Lesion share of the volume of both lungs."
    )
    right: LungBurden
    left: LungBurden
    zone_definition: str
    count: int = Field(ge=0, description="Connected lesions, as `count_definition` says.")
    count_definition: str
    largest_volume_ml: Milliliters = Field(description="Null too where there is no lesion.")
    largest_share_percent: Percent = Field(
        ge=0, le=100, description="Share of the lesion volume; null where there is no lesion."
    )
    ground_glass_percent: Percent = Field(
        ge=0, le=100, description="Share of the lesion volume; null without HU or lesion."
    )
    consolidation_percent: Percent = Field(
        ge=0, le=100, description="Share of the lesion volume; null without HU or lesion."
    )
    density_definition: str
    items: list[LesionItem] = Field(description="The largest counted lesions, largest first.")
    items_definition: str
    uncertainty: Uncertainty | None = Field(description="Null where no probability was given.")


class SliceProfile(_Part):
    """Involvement slice by slice along the body axis, feet to head."""

    array_axis: int = Field(description="Which axis (0, 1, 2) of the masks' (D, H, W) is cut.")
    index: list[int] = Field(description="Index along that axis.")
    position_mm: list[float] | None = Field(
        description="LPS z of the slice's center; null where the input has no physical units."
    )
    involvement_percent: list[Percent] = Field(
        description="Lesion share of the lungs in the slice; null where it holds no lung."
    )


class MosMedGrade(_Part):
    name: Literal["CT-0", "CT-1", "CT-2", "CT-3", "CT-4"]
    band: str = Field(description="The band of involvement that the grade stands for.")
    involvement_percent: float
    definition: str


class ZonePoints(_Part):
    """0 to 5 points; null where the zone holds no lung."""

    upper: int | None = Field(ge=0, le=5)
    middle: int | None = Field(ge=0, le=5)
    lower: int | None = Field(ge=0, le=5)


class ZonalScore(_Part):
    value: int | None = Field(description="Sum of the points; null where no zone could be scored.")
    maximum: int = Field(description="5 points for each zone scored; 30 for two whole lungs.")
    right: ZonePoints
    left: ZonePoints
    definition: str
    note: str = Field(description="Why this is not the lobar 0 to 25 score.")


class Severity(_Part):
    mosmed: MosMedGrade
    zonal_score: ZonalScore


class Diagnosis(_Part):
    statement: str = Field(description="'Findings consistent with ...' or 'No findings ...'.")
    has_findings: bool
    evidence: list[str]
    basis: Literal["rule", "model"]
    definition: str


class QualityCheck(_Part):
    """`flag` true means: look at this before you trust the numbers."""

    flag: bool
    text: str


class LungVolumeCheck(QualityCheck):
    range_ml: tuple[float, float] = Field(description="What counts as plausible for both lungs.")


class EdgeCheck(QualityCheck):
    faces: list[Literal["head", "feet", "front", "back", "right", "left"]]


class GapCheck(QualityCheck):
    count: int = Field(description="Missing or displaced slices, as far as the reader lists them.")


class TiltCheck(QualityCheck):
    degrees: float


class IntensityCheck(QualityCheck):
    aerated_lung_median_hu: float | None = Field(
        description="Median of the lungs outside lesions; null without HU or aerated lung."
    )


class Quality(_Part):
    lung_volume: LungVolumeCheck
    edge: EdgeCheck
    gaps: GapCheck
    tilt: TiltCheck
    intensities: IntensityCheck


class Findings(_Part):
    """What was found in one scan. Research use only; not a medical device."""

    schema_version: Literal["1.2"] = SCHEMA_VERSION
    intended_use: Literal["Research use only. Not a medical device."] = (
        "Research use only. Not a medical device."
    )
    scan: ScanFindings
    lungs: LungFindings
    lesions: LesionFindings
    profile: SliceProfile
    severity: Severity
    diagnosis: Diagnosis
    routes: Routes
    quality: Quality
    warnings: list[str]

    def to_json(self) -> str:
        """This document as indented JSON text, ending in a newline."""
        return self.model_dump_json(indent=2) + "\n"


def findings_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `findings.json`; every field is required."""
    schema = Findings.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
