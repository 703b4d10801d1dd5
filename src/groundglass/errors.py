"""Every error Groundglass raises on purpose.

    GroundglassError
    ├── InputError            the scan or file given cannot be used
    │   ├── UnreadableError   not an image we can decode
    │   ├── SeriesError       no series, or more than one candidate fits
    │   ├── GeometryError     gaps, duplicates, mixed orientation, broken affine
    │   └── IntensityError    values fit no known intensity domain
    ├── NoLungError           the lung stage found nothing plausible
    ├── SettingsError         a recipe, option or setting has a bad value
    ├── WeightsError          weights missing, damaged or not matching
    ├── DatasetError          a training data set is incomplete or inconsistent
    ├── OutputError           a result could not be written or verified
    ├── RefusedError          the node did not take what was sent
    │   ├── BadObjectError    no DICOM object that can be kept; the same again is refused again
    │   ├── ConflictError     other content is kept under the same UID
    │   ├── TooLargeError     an object or a study beyond the limits
    │   └── SpoolFullError    no room now: the sender may try later
    ├── QueueError            the node's queue cannot be used, or holds no such job
    ├── LeaseLostError        a job was given to another worker, or canceled
    ├── SendError             a peer did not take a result
    └── MissingExtraError     an optional dependency is not installed

Each message reads ``<thing> <what is wrong, with the value>; expected <what>. <What to do>.``
The command line prints it and exits with code 1; a programming error is never one of these.
"""

from __future__ import annotations


class GroundglassError(Exception):
    """Base of the tree. `problem` names thing and value; `remedy` says what to do."""

    def __init__(self, problem: str, *, expected: str = "", remedy: str = "") -> None:
        self.problem = problem
        self.expected = expected
        self.remedy = remedy
        text = problem.rstrip(".")
        if expected:
            text += f"; expected {expected.rstrip('.')}"
        text += "."
        if remedy:
            text += f" {remedy.rstrip('.')}."
        super().__init__(text)


class InputError(GroundglassError):
    """The scan or file given cannot be used."""


class UnreadableError(InputError):
    """Not an image that can be decoded."""


class SeriesError(InputError):
    """No usable series, or the choice is not clear."""


class GeometryError(InputError):
    """The slices do not make one volume."""


class IntensityError(InputError):
    """The values fit no known intensity domain."""


class NoLungError(GroundglassError):
    """The lung stage found nothing that can be a lung."""


class SettingsError(GroundglassError):
    """A recipe, option or setting has a bad value."""


class WeightsError(GroundglassError):
    """Weights are missing, damaged or do not fit."""


class DatasetError(GroundglassError):
    """A training data set is incomplete or inconsistent."""


class OutputError(GroundglassError):
    """A result could not be written or verified."""


class RefusedError(GroundglassError):
    """The node did not take what was sent."""


class BadObjectError(RefusedError):
    """No DICOM object that can be kept; the same again is refused again."""


class ConflictError(RefusedError):
    """Other content is kept under the same UID."""


class TooLargeError(RefusedError):
    """An object or a study beyond the limits."""


class SpoolFullError(RefusedError):
    """There is no room now; the sender may try later."""


class QueueError(GroundglassError):
    """The node's queue cannot be used, or holds no such job."""


class LeaseLostError(GroundglassError):
    """A job was given to another worker, or canceled; what was done for it does not count."""


class SendError(GroundglassError):
    """A peer did not take a result. `is_permanent`: trying again cannot help.

    `wait_seconds`: how long the peer asks to be left alone, 0 where it does not say.
    """

    def __init__(
        self,
        problem: str,
        *,
        expected: str = "",
        remedy: str = "",
        is_permanent: bool = False,
        wait_seconds: float = 0.0,
    ) -> None:
        super().__init__(problem, expected=expected, remedy=remedy)
        self.is_permanent = is_permanent
        self.wait_seconds = wait_seconds


class MissingExtraError(GroundglassError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            remedy=f"Run: pip install 'groundglass[{extra}]'",
        )
