"""Fig. 14 of the paper on held-out patients, and Dice against lesion size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.evaluation.figures import CasePanel, SizePoints, draw_cases, draw_dice_by_size
from groundglass.metrics.overlap import Confusion, slice_confusions
from groundglass.studies.kept import kept_predictions
from groundglass.studies.phantom_words import phantom_words
from groundglass.studies.plan import RowPlan
from groundglass.studies.row_runs import row_path
from groundglass.studies.runs import StudyRuns

_CASES = 6


@dataclass(frozen=True)
class _Slice:
    scan: PreparedScan
    index: int
    mask: np.ndarray
    confusion: Confusion


def write_cases_figures(
    runs: StudyRuns, folds: Sequence[int], out: Path, plan: RowPlan
) -> list[Path]:
    """Write `cases.png` and `dice-by-size.png` of a lesion row of Table 2, on the patient folds.

    Other rows than the paper's have their key in the files' names.

    Shown is each case's slice with the most lesion, of the cases with the lowest and the highest
    Dice over the whole case: chosen by rule, not by eye. Masks are those at probability one half.
    """
    end = "" if plan.key == "chs-net" else f"-{plan.key}"
    chosen: list[tuple[float, _Slice]] = []
    sizes: dict[str, tuple[list[float], list[float]]] = {"slices": ([], []), "cases": ([], [])}
    for number in folds:
        split = runs.split("patients", number)
        scans = {scan.row.scan_id: scan for scan in runs.test_scans(split)}
        for kept in kept_predictions(row_path(runs, plan, split).with_suffix("")):
            scan = scans[kept.scan_id]
            masks = kept.probability >= 128
            pairs = slice_confusions(masks, scan.lesions > 0)
            total = sum(pairs, Confusion())
            _note(sizes["cases"], total)
            for pair in pairs:
                _note(sizes["slices"], pair)
            if total.dice is not None:
                d = max(range(len(pairs)), key=lambda i: pairs[i].reference_voxels)
                chosen.append((total.dice, _Slice(scan, d, masks[d], pairs[d])))
    chosen.sort(key=lambda one: one[0])
    ends = chosen if len(chosen) <= _CASES else chosen[: _CASES // 2] + chosen[-(_CASES // 2) :]
    phantoms = phantom_words(runs.rows)
    cases, by_size = out / f"cases{end}.png", out / f"dice-by-size{end}.png"
    draw_cases(
        cases,
        [_panel(one, dice) for dice, one in ends],
        heading=f"Lowest and highest Dice of {len(chosen)} held-out cases{phantoms}",
    )
    draw_dice_by_size(
        by_size,
        [SizePoints(name, *points, "pixels") for name, points in sizes.items()],
        heading=f"Dice against the lesions' size, held-out cases{phantoms}",
    )
    return [cases, by_size]


def _note(points: tuple[list[float], list[float]], pair: Confusion) -> None:
    if pair.dice is not None:
        points[0].append(float(pair.reference_voxels))
        points[1].append(pair.dice)


def _panel(one: _Slice, whole: float) -> CasePanel:
    image = one.scan.image[one.index].astype(np.float32)
    image = (image + 1350) / 1500 if one.scan.is_hu else image / 255
    dice, jaccard = one.confusion.dice or 0.0, one.confusion.jaccard or 0.0
    return CasePanel(
        title=one.scan.row.scan_id,
        reference=one.scan.lesions[one.index] > 0,
        prediction=one.mask,
        caption=f"Dice {dice:.2f}, Jaccard {jaccard:.2f}\nwhole case {whole:.2f}",
        image=np.clip(image, 0, 1),
    )
