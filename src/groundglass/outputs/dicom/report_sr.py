"""The measurements as a DICOM Structured Report (TID 1500) that refers to segments and images.

A group for each lung and for the lesions, on their segments; one for both lungs with grade, score
and class; and one for a classifier where there was one. Where the segmentation has no lesion, the
group of lesions says 0 ml and refers to none.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from groundglass.findings import Findings
from groundglass.outputs.dicom.identity import IMPLEMENTATION_UID, MANUFACTURER, Identity
from groundglass.outputs.dicom.inherited import UTF8
from groundglass.outputs.dicom.report_groups import (
    learned_group,
    segment_group,
    text_item,
    whole_group,
)
from groundglass.outputs.dicom.report_numbers import LEARNED, SCHEME, WHOLE, report_numbers
from groundglass.outputs.dicom.report_routes import CONCLUSION, conclusion, route_contents
from groundglass.outputs.dicom.segmentation import SEGMENTATION_STORAGE, coded
from groundglass.outputs.dicom.segments import SEGMENTS, Coded
from groundglass.outputs.dicom.sources import image_item

if TYPE_CHECKING:
    from highdicom.sr import Measurement, MeasurementReport

_COMMENT: Coded = ("121106", "DCM", "Comment")
_PROCEDURE: Coded = ("77477000", "SCT", "Computed Tomography")
_DEVICE: Coded = ("121007", "DCM", "Device")


def make_report(findings: Findings, *, identity: Identity, segmentation: Dataset | None) -> Dataset:
    """A Comprehensive SR, ready to be saved. `segmentation`: of the same run, if there is one."""
    from highdicom.sr import ComprehensiveSR

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of texts that the scan's header had so
        content = _content(findings, identity, segmentation)
        out = ComprehensiveSR(
            evidence=_stand_ins(identity, segmentation),
            content=content[0],
            series_instance_uid=identity.new_series_uid("sr"),
            series_number=1,
            sop_instance_uid=identity.new_instance_uid("sr"),
            instance_number=1,
            manufacturer=MANUFACTURER,
            is_complete=True,
            is_final=False,
            specific_character_set=UTF8,
            record_evidence=False,
        )
    out.CodingSchemeIdentificationSequence = [_own_scheme()]
    out.CurrentRequestedProcedureEvidenceSequence = [_evidence(identity, segmentation)]
    out.pop("PertinentOtherEvidenceSequence", None)
    identity.put_on(out, "sr")
    return out


def _content(
    findings: Findings, identity: Identity, segmentation: Dataset | None
) -> MeasurementReport:
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
    )

    numbers = _segment_numbers(segmentation)
    measured = _measurements(findings)
    groups = [
        segment_group(
            segment,
            measured[segment.name],
            number=numbers.get(segment.name),
            identity=identity,
        )
        for segment in SEGMENTS
        if measured.get(segment.name)
    ]
    route, *learned = route_contents(findings)
    groups.append(whole_group(findings, measured[WHOLE], route=route, identity=identity))
    groups += [learned_group(each, measured.get(LEARNED), identity=identity) for each in learned]
    device = DeviceObserverIdentifyingAttributes(
        uid=IMPLEMENTATION_UID,
        name=", ".join(identity.software_versions),
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER,
    )
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(coded(_DEVICE), device)
        ),
        procedure_reported=coded(_PROCEDURE),
        imaging_measurements=groups,
    )
    texts = [(CONCLUSION, conclusion(findings)), (_COMMENT, findings.intended_use)]
    texts += [(_COMMENT, warning) for warning in findings.warnings]
    report[0].ContentSequence.extend(text_item(code, text) for code, text in texts)
    return report


def _measurements(findings: Findings) -> dict[str, list[Measurement]]:
    from highdicom.sr import Measurement

    out: dict[str, list[Measurement]] = {}
    for number in report_numbers(findings):
        made = Measurement(name=coded(number.code), value=number.value, unit=coded(number.unit))
        out.setdefault(number.group, []).append(made)
    return out


def _segment_numbers(segmentation: Dataset | None) -> dict[str, int]:
    """Segment numbers by their tracking identifiers, the names in `SEGMENTS`."""
    if segmentation is None:
        return {}
    return {str(item.TrackingID): int(item.SegmentNumber) for item in segmentation.SegmentSequence}


def _own_scheme() -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = "Groundglass measurements; meanings and definitions are in the report"
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


def _evidence(identity: Identity, segmentation: Dataset | None) -> Dataset:
    """Everything that the content refers to, by study and series."""
    images = Dataset()
    images.SeriesInstanceUID = identity.series_uid
    images.ReferencedSOPSequence = identity.source_items()
    series = [images]
    if segmentation is not None:
        segments, item = Dataset(), Dataset()
        item.ReferencedSOPClassUID = SEGMENTATION_STORAGE
        item.ReferencedSOPInstanceUID = identity.new_instance_uid("seg")
        segments.SeriesInstanceUID = identity.new_series_uid("seg")
        segments.ReferencedSOPSequence = [item]
        series.append(segments)
    out = Dataset()
    out.StudyInstanceUID = identity.inherited.StudyInstanceUID
    out.ReferencedSeriesSequence = series
    return out


def _stand_ins(identity: Identity, segmentation: Dataset | None) -> list[Dataset]:
    """What highdicom reads of the objects referred to; `_evidence` then says it for good."""
    out = []
    frames = {frame.sop_uid: frame for frame in identity.frames}
    for frame in frames.values():
        reference = image_item([frame], identity.class_uid)
        image = Dataset()
        image.update(identity.inherited)
        image.SOPClassUID = reference.ReferencedSOPClassUID
        image.SOPInstanceUID = reference.ReferencedSOPInstanceUID
        image.SeriesInstanceUID = identity.series_uid
        out.append(image)
    return out if segmentation is None else [*out, segmentation]
