"""Rules as the settings file has them: what is analyzed, how, and who gets the results."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from groundglass.server.listeners import Frozen

DicomOutput = Literal["seg", "sr", "pdf", "sc"]


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression ({error})") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class Rule(Frozen):
    """Conditions on one series, all of which must hold, and what is done then.

    What a series does not say fails the condition that asks for it. Text is compared without
    regard to case. `slice_thickness_mm` is (least, most), both included;
    `series_description` is a regular expression found anywhere in it. Of the options, those left
    out are the ones of [analysis]; `send_to` names peers.
    """

    name: str = Field(min_length=1)
    modality: frozenset[str] | None = None
    body_part: frozenset[str] | None = None
    slice_thickness_mm: tuple[float, float] | None = None
    calling_ae_title: frozenset[str] | None = None
    series_description: Pattern | None = None
    action: Literal["analyze", "ignore"] = "analyze"
    dicom: tuple[DicomOutput, ...] | None = None
    lesion_model: str | None = None
    classifier: str | None = None
    send_to: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.slice_thickness_mm is not None:
            least, most = self.slice_thickness_mm
            if not 0 <= least <= most:
                raise ValueError(f"slice_thickness_mm is [{least:g}, {most:g}], not [least, most]")
        chosen = (self.dicom, self.lesion_model, self.classifier, self.send_to or None)
        if self.action == "ignore" and any(option is not None for option in chosen):
            raise ValueError(f"rule {self.name!r} ignores, so its options have no effect")
        return self


EVERY_CT = Rule(name="every CT", modality=frozenset({"CT"}))
"""What is done where no rules are given."""
