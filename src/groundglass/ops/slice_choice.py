"""Which slices of a scan a classifier of whole scans is shown."""

from __future__ import annotations

import numpy as np

from groundglass.errors import SettingsError


def choose_slices(has_lung: np.ndarray, most: int, *, offset: float = 0.5) -> np.ndarray:
    """At most `most` slices, evenly spaced over the lungs' extent; of a scan without, over all.

    The extent is cut into `most` equal parts and the slice at `offset` of each is taken: 0.5 is its
    middle, and a random one shows training other slices each time. A shorter extent is taken
    whole. Shape: (D,) bool -> (K,) rising indices.
    Raises: SettingsError where `most` is below 1 or `offset` not in 0 to below 1.
    """
    if most < 1 or not 0 <= offset < 1:
        raise SettingsError(
            f"{most} slices at offset {offset} were asked for",
            expected="1 slice or more, and an offset from 0 to below 1",
        )
    lung = np.flatnonzero(has_lung)
    first, last = (int(lung[0]), int(lung[-1])) if lung.size else (0, len(has_lung) - 1)
    count = last - first + 1
    if count <= most:
        return np.arange(first, last + 1)
    part = np.arange(most)
    found = np.floor((part + offset) * (count / most)).astype(np.intp)
    # An offset next to 1 is rounded up to 1 when the index is added: out of its part, which ends
    # before ceil((part + 1) count / most), and at the end out of the scan.
    ends = -(-(part + 1) * count // most)
    return first + np.minimum(found, ends - 1)
