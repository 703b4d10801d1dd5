"""What is kept beyond the bare minimum, by name: the profile of DICOM PS3.15 and its options."""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.errors import SettingsError

TABLE = "2026c"
"""Edition of PS3.15 table E.1-1 whose actions are applied."""

NOT_REMOVED = (
    "pixels are as they were: text burned into them and the shape of the body (the chin may be in "
    "a chest CT) are not removed"
)


@dataclass(frozen=True)
class Profile:
    """The Basic Application Level Confidentiality Profile with some of its options.

    `shift_dates`: dates stay, moved by a secret number of days per patient (Retain
    Longitudinal Temporal Information with Modified Dates). `keep_patient`: sex, age, size,
    weight and the like stay (Retain Patient Characteristics). `clean_descriptors`: words of
    radiology stay in descriptions (Clean Descriptors); all other words go.
    Source: DICOM PS3.15, annex E.
    """

    name: str
    shift_dates: bool = False
    keep_patient: bool = False
    clean_descriptors: bool = False

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """(code, meaning) of the profile and its options, scheme DCM (PS3.16, CID 7050)."""
        chosen = [("113100", "Basic Application Confidentiality Profile")]
        if self.clean_descriptors:
            chosen.append(("113105", "Clean Descriptors Option"))
        if self.shift_dates:
            chosen.append(
                (
                    "113107",
                    "Retain Longitudinal Temporal Information Modified Dates Option",
                )
            )
        if self.keep_patient:
            chosen.append(("113108", "Retain Patient Characteristics Option"))
        return tuple(chosen)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("basic"),
        Profile("longitudinal", shift_dates=True),
        Profile("research", shift_dates=True, keep_patient=True, clean_descriptors=True),
    )
}


def find_profile(name: str) -> Profile:
    """The profile of that name. Raises: SettingsError."""
    if name not in PROFILES:
        raise SettingsError(
            f"de-identification profile {name!r} is unknown",
            expected=f"one of {', '.join(PROFILES)}",
        )
    return PROFILES[name]
