"""The words that lie beside a cohort of phantoms."""

from __future__ import annotations

from groundglass.phantom.cohort.settings import (
    EDGE_PERCENT,
    EDGE_WIDTH_PERCENT,
    GRADES,
    CohortSettings,
)


def readme_text(settings: CohortSettings) -> str:
    """README.txt of the tree: what it is, what it is not, and how it was made."""
    shares = ", ".join(f"{g} {s}" for g, s in zip(GRADES, settings.shares, strict=True))
    masks = "of every scan"
    if settings.masks != "all":
        masks = f"of {100 * settings.masks:g} % of the scans labeled CT-1"
    return f"""MADE-UP PHANTOMS. NO PATIENTS, NO CLINICAL MEANING.

These scans were drawn by a program (groundglass phantom --cohort). They are laid out as
MosMedData is published, so that the programs which read MosMedData can be tried on them.
They are not MosMedData and hold nothing of it. Whatever is measured on them says that a
program runs and finds what was drawn; it says nothing about patients, and must not be
shown as if it did.

PHANTOM.json marks this folder. groundglass prepare mosmed reads it and gives every row of
its index the source "mosmed-phantom". Leave it here.

studies/              scans in HU, by the grade that is written
masks/                lesion masks, {masks}
dataset_registry.xlsx as MosMedData has it
cohort_truth.csv      what was painted, what the label says, and everything else that was drawn
truth/                the same, one file a scan, with the files' SHA-256

Seed {settings.seed}; shares {shares};
{settings.size}x{settings.size} pixels, {settings.slices[0]} to {settings.slices[1]} slices.
Grades follow the share of the lungs covered by the painted lesion mask: 0 is CT-0, below
25, 50 and 75 % CT-1 to CT-3, the rest CT-4. At 25 % some labels are wrong on purpose:
between CT-1 and CT-2 a label is swapped with chance
{settings.edge_flips:g} * exp(-|share - {EDGE_PERCENT:g} %| / {EDGE_WIDTH_PERCENT:g} %).
Of scan and seed all else follows: any scan can be made again alone.
"""
