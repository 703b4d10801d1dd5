"""Content of a TID 1500 report by names, as tests ask for it."""

from __future__ import annotations

from pydicom.dataset import Dataset


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def groups(report: Dataset) -> dict[str, Dataset]:
    """Measurement groups by tracking identifier."""
    measured = next(i for i in report.ContentSequence if name(i) == "Imaging Measurements")
    return {
        next(i.TextValue for i in g.ContentSequence if name(i) == "Tracking Identifier"): g
        for g in measured.ContentSequence
    }


def values(group: Dataset) -> dict[str, object]:
    return {
        name(i): i.MeasuredValueSequence[0].NumericValue
        for i in group.ContentSequence
        if i.ValueType == "NUM"
    }


def code_values(group: Dataset) -> dict[str, tuple[str, str]]:
    """Evaluations with codes: value and scheme, by what they are of."""
    return {
        name(i): (
            str(i.ConceptCodeSequence[0].CodeValue),
            str(i.ConceptCodeSequence[0].CodingSchemeDesignator),
        )
        for i in group.ContentSequence
        if i.ValueType == "CODE" and i.ConceptNameCodeSequence[0].CodingSchemeDesignator[:2] == "99"
    }


def texts(container: Dataset) -> list[str]:
    return [str(i.TextValue) for i in container.ContentSequence if i.ValueType == "TEXT"]
