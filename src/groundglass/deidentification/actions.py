"""Which action an attribute gets: the standard's table, and the profile's options over it.

The table itself is not ours: it comes with the package dicom-anonymizer (Kitware, BSD-3), which
generates it from the standard's text.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

from pydicom.datadict import tag_for_keyword

from groundglass.deidentification.profiles import Profile


class Action(Enum):
    """What happens to an attribute."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    """A value that says nothing, of the right kind; a sequence has none and is removed."""
    UID = "uid"
    SHIFT = "shift"
    """Move a date by the patient's days; a time of day stays."""
    WORDS = "words"
    """Keep the words of radiology and no other."""
    PATIENT = "patient"
    """The patient's pseudonym."""


_PATIENT = ("PatientID", "PatientName")
_CHARACTERISTICS = (
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientSexNeutered",
    "PregnancyStatus",
    "SmokingStatus",
)
"""Of those the option may keep; not the ethnic group, which singles out people in small cohorts."""
_DESCRIPTORS = (
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "PerformedProcedureStepDescription",
    "AcquisitionProtocolDescription",
    "ContrastBolusAgent",
)
"""Of those the option may clean; comments and histories are removed with the rest."""
_NOT_SHIFTED = ("PatientBirthDate", "PatientBirthTime")
"""A birthday moved by less than ten years still narrows the age; the standard empties it."""


def action_for(tag: int, vr: str, profile: Profile) -> Action | None:
    """The action for an attribute, None where neither table nor options name it."""
    basic = _table().get(tag)
    if tag in _tags(_PATIENT):
        return Action.PATIENT
    if profile.keep_patient and tag in _tags(_CHARACTERISTICS):
        return Action.KEEP
    if profile.clean_descriptors and tag in _tags(_DESCRIPTORS):
        return Action.WORDS
    if basic is None and vr in ("DA", "DT"):
        basic = Action.EMPTY  # the table leaves out a few dates of calibrations and expiry
    if profile.shift_dates and basic and vr in ("DA", "DT", "TM"):
        return basic if tag in _tags(_NOT_SHIFTED) else Action.SHIFT
    return basic


@cache
def _tags(keywords: tuple[str, ...]) -> frozenset[int]:
    found = [tag_for_keyword(keyword) for keyword in keywords]
    return frozenset(tag for tag in found if tag is not None)


@cache
def _table() -> dict[int, Action]:
    """Tag to action of the basic profile.

    Where the standard leaves a choice by the object's type (X unless Z or D is required), the
    stronger need of the object wins: empty before removed, dummy before empty. That keeps every
    object valid, and no choice keeps the value. Sequences of references to other images
    (X/Z/U*) are not named here: they stay, cleaned inside, their UIDs replaced.
    """
    from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as source

    rules: tuple[tuple[list[Any], Action], ...] = (
        (source.X_TAGS, Action.REMOVE),
        (source.Z_TAGS, Action.EMPTY),
        (source.X_Z_TAGS, Action.EMPTY),
        (source.D_TAGS, Action.DUMMY),
        (source.Z_D_TAGS, Action.DUMMY),
        (source.X_D_TAGS, Action.DUMMY),
        (source.X_Z_D_TAGS, Action.DUMMY),
        (source.U_TAGS, Action.UID),
    )
    return {
        (entry[0] << 16) | entry[1]: action
        for entries, action in rules
        for entry in entries
        if len(entry) == 2  # longer ones: curves and overlays, whose groups are removed whole
    }
