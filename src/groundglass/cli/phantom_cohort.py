"""`groundglass phantom --cohort`: many phantoms, laid out as MosMedData is published."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from groundglass.errors import SettingsError

if TYPE_CHECKING:
    from groundglass.phantom.cohort.settings import CohortSettings

DEFAULT_SIZE = 128


def write_cohort_tree(folder: Path, settings: CohortSettings, *, only: list[int], jobs: int) -> str:
    """Write the tree, telling of each scan on stderr; sentences about what is there."""
    from groundglass.phantom.cohort.tree import write_cohort

    truths = write_cohort(
        folder,
        settings,
        only=only,
        jobs=jobs,
        progress=lambda done, total, name: typer.echo(f"{done}/{total} {name}", err=True),
    )
    grades = Counter(one["label_grade"] for one in truths)
    counted = ", ".join(f"{number} {grade}" for grade, number in sorted(grades.items()))
    flipped, masks = (sum(one[name] for one in truths) for name in ("flipped", "mask"))
    return (
        f"{folder}: {len(truths)} of {settings.count} scans ({counted}), {flipped} with the "
        f"label of the other side of 25 %, {masks} with a mask. "
        "Made-up phantoms, no clinical meaning."
    )


def cohort_settings(
    count: int,
    *,
    seed: int,
    size: list[int],
    slices: list[int],
    shares: str,
    masks: str,
    label_noise: float,
) -> CohortSettings:
    """Settings from what was typed. Raises: SettingsError naming the option."""
    from groundglass.phantom.cohort.settings import CohortSettings

    if len(size) != 1:
        raise SettingsError(
            f"--size is {','.join(map(str, size))}",
            expected="one number with --cohort, of rows and of columns",
            remedy="Say how many slices with --slices LOW,HIGH",
        )
    return CohortSettings(
        count=count,
        seed=seed,
        size=size[0],
        slices=(slices[0], slices[1]),
        shares=_shares(shares),
        masks=_masks(masks),
        edge_flips=label_noise,
    )


def _shares(text: str) -> tuple[int, ...]:
    """A name, or five numbers between commas."""
    from groundglass.phantom.cohort.settings import SHARES

    if text in SHARES:
        return SHARES[text]
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(
            f"--shares is {text!r}",
            expected=f"{', '.join(SHARES)}, or five whole numbers with commas, of CT-0 to CT-4",
        ) from error


def _masks(text: str) -> float | Literal["all"]:
    if text == "all":
        return "all"
    try:
        return float(text)
    except ValueError as error:
        raise SettingsError(
            f"--masks is {text!r}",
            expected="all, or the share of the scans labeled CT-1, from 0 to 1",
        ) from error
