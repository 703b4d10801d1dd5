"""Which series of a study are analyzed, and how: the rules, applied to headers."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundglass.server.audit import study_label
from groundglass.server.job import Plan
from groundglass.server.rules import Rule
from groundglass.server.settings import ServeSettings
from groundglass.server.spooled_study import Origin, SpooledStudy

log = logging.getLogger(__name__)

_TAGS = ("Modality", "BodyPartExamined", "SliceThickness", "SeriesDescription")


@dataclass(frozen=True)
class SeriesHeaders:
    """What rules look at; '' and None where the headers do not say it."""

    series_uid: str
    modality: str = ""
    body_part: str = ""
    slice_thickness_mm: float | None = None
    series_description: str = ""
    calling_ae_title: str = ""


def plan_study(study: SpooledStudy, settings: ServeSettings) -> Plan | None:
    """What to do with a study; None where the rules ask for nothing.

    The headers of a series are those of the object in the middle of it: a scout that shares the
    series stands at an end.
    """
    found = []
    for series, sops in study.series.items():
        path = study.path(series, sops[len(sops) // 2])
        found.append(read_headers(path, series, study.origins[series]))
    chosen = choose(found, settings.rules)
    if chosen is None:
        return None
    rule, series_uids = chosen
    default = settings.analysis
    return Plan(
        rule=rule.name,
        series={uid: list(study.series[uid]) for uid in series_uids},
        dicom=default.dicom if rule.dicom is None else rule.dicom,
        lesion_model=default.lesion_model if rule.lesion_model is None else rule.lesion_model,
        classifier=default.classifier if rule.classifier is None else rule.classifier,
        send_to=rule.send_to,
    )


def choose(
    series: Sequence[SeriesHeaders], rules: Sequence[Rule]
) -> tuple[Rule, tuple[str, ...]] | None:
    """The rule that a study is analyzed by, and its series; None where there is none.

    The first rule that fits a series decides on it; of the rules that then ask for an analysis,
    the first decides on the study, and takes all series that it decided on.
    """
    decided: dict[int, list[str]] = {}
    for one in series:
        number = next((n for n, rule in enumerate(rules) if fits(rule, one)), None)
        if number is not None and rules[number].action == "analyze":
            decided.setdefault(number, []).append(one.series_uid)
    if not decided:
        return None
    first = min(decided)
    return rules[first], tuple(decided[first])


def fits(rule: Rule, series: SeriesHeaders) -> bool:
    """Whether every condition of the rule holds."""
    for allowed, value in (
        (rule.modality, series.modality),
        (rule.body_part, series.body_part),
        (rule.calling_ae_title, series.calling_ae_title),
    ):
        if allowed is not None and value.upper() not in {name.upper() for name in allowed}:
            return False
    if rule.slice_thickness_mm is not None:
        least, most = rule.slice_thickness_mm
        thickness = series.slice_thickness_mm
        if thickness is None or not least <= thickness <= most:
            return False
    pattern = rule.series_description
    return pattern is None or bool(re.search(pattern, series.series_description, re.IGNORECASE))


def read_headers(path: Path, series_uid: str, origin: Origin) -> SeriesHeaders:
    """The headers of one object. One that cannot be read says nothing, and so fits few rules."""
    import pydicom

    caller = origin.sender if origin.via == "dicom" else ""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        return SeriesHeaders(
            series_uid,
            modality=_text(header.get("Modality")),
            body_part=_text(header.get("BodyPartExamined")),
            slice_thickness_mm=_number(header.get("SliceThickness")),
            series_description=_text(header.get("SeriesDescription")),
            calling_ae_title=caller,
        )
    except Exception as error:  # pydicom raises whatever a broken header leads to
        study = study_label(path.parent.parent.name)
        log.warning("study %s: a header cannot be read (%s)", study, type(error).__name__)
        return SeriesHeaders(series_uid, calling_ae_title=caller)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
