"""The measurement groups of a report: of a segment, of both lungs, and of a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundglass.findings import Findings
from groundglass.outputs.dicom.identity import Identity, plain
from groundglass.outputs.dicom.report_numbers import (
    LEARNED,
    MOSMED,
    MOSMED_DEFINITION,
    WHOLE,
    ZONAL_DEFINITION,
    grade_code,
)
from groundglass.outputs.dicom.report_routes import RouteContent
from groundglass.outputs.dicom.segmentation import SEGMENTATION_STORAGE, coded
from groundglass.outputs.dicom.segments import ANATOMICAL, LUNG_CODE, Coded, Segment

if TYPE_CHECKING:
    from highdicom.sr import Measurement


def segment_group(
    segment: Segment,
    measurements: list[Measurement],
    *,
    number: int | None,
    identity: Identity,
) -> Any:
    """TID 1411 on segment `number`, or TID 1501 where there is none to refer to."""
    from highdicom.sr import (
        AlgorithmIdentification,
        FindingSite,
        MeasurementsAndQualitativeEvaluations,
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    algorithm = identity.algorithms[segment.role]
    about = {
        "tracking_identifier": TrackingIdentifier(
            uid=identity.new_uid("segment", segment.name), identifier=segment.name
        ),
        "finding_type": coded(segment.kind),
        "finding_category": coded(segment.category),
        "finding_sites": [FindingSite(coded(segment.site or segment.kind))],
        "algorithm_id": AlgorithmIdentification(plain(algorithm.name), plain(algorithm.version)),
        "measurements": measurements,
    }
    if number is None:
        return MeasurementsAndQualitativeEvaluations(**about)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        **about,
        referenced_segment=ReferencedSegment(
            SEGMENTATION_STORAGE,
            identity.new_instance_uid("seg"),
            number,
            source_series=SourceSeriesForSegmentation(identity.series_uid),
        ),
    )


def whole_group(
    findings: Findings,
    measurements: list[Measurement],
    *,
    route: RouteContent,
    identity: Identity,
) -> Any:
    """TID 1501 about both lungs: shares, grade, score and class, definitions and source images."""
    from highdicom.sr import (
        FindingSite,
        MeasurementsAndQualitativeEvaluations,
        SourceImageForMeasurementGroup,
        TrackingIdentifier,
    )

    severity = findings.severity
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=identity.new_uid(WHOLE), identifier=WHOLE),
        finding_type=coded(LUNG_CODE),
        finding_category=coded(ANATOMICAL),
        finding_sites=[FindingSite(coded(LUNG_CODE))],
        measurements=measurements,
        qualitative_evaluations=_evaluations(
            (MOSMED, grade_code(findings)), (route.question, route.answer)
        ),
        source_images=[
            SourceImageForMeasurementGroup(
                item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID
            )
            for item in identity.source_items()
        ],
    )
    group[0].ContentSequence.extend(
        [
            text_item(MOSMED_DEFINITION, severity.mosmed.definition),
            text_item(
                ZONAL_DEFINITION, f"{severity.zonal_score.definition} {severity.zonal_score.note}"
            ),
            *(text_item(code, text) for code, text in route.texts),
        ]
    )
    return group


def learned_group(
    route: RouteContent, measurements: list[Measurement] | None, *, identity: Identity
) -> Any:
    """TID 1501 about both lungs by a classifier: class and probabilities, or why there are none."""
    from highdicom.sr import (
        AlgorithmIdentification,
        FindingSite,
        MeasurementsAndQualitativeEvaluations,
        TrackingIdentifier,
    )

    algorithm = route.algorithm
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=identity.new_uid(LEARNED), identifier=LEARNED),
        finding_type=coded(LUNG_CODE),
        finding_category=coded(ANATOMICAL),
        finding_sites=[FindingSite(coded(LUNG_CODE))],
        algorithm_id=algorithm
        and AlgorithmIdentification(plain(algorithm.name), plain(algorithm.version)),
        measurements=measurements,
        qualitative_evaluations=_evaluations((route.question, route.answer)),
    )
    group[0].ContentSequence.extend(text_item(code, text) for code, text in route.texts)
    return group


def _evaluations(*pairs: tuple[Coded, Coded | None]) -> list[Any]:
    """Coded items, those without an answer left out."""
    from highdicom.sr import QualitativeEvaluation

    return [
        QualitativeEvaluation(coded(question), coded(answer))
        for question, answer in pairs
        if answer is not None
    ]


def text_item(code: Coded, text: str) -> Any:
    """Words of any length, in ASCII."""
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    return TextContentItem(coded(code), plain(text), RelationshipTypeValues.CONTAINS)
