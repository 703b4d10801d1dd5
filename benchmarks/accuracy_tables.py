"""Scores of many cases as plain data, and as Markdown for the model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accuracy_cases import CaseResult
from groundglass.metrics.aggregate import (
    CaseScore,
    Interval,
    aggregate,
    bootstrap_interval,
    mean_measure,
    pooled_measure,
)
from groundglass.metrics.overlap import Confusion
from groundglass.studies.paper_chs_net import REFERENCES
from speed_tables import table

SHOWN = ("dice", "precision", "recall")

_MINISEG = next(one for one in REFERENCES if one.key == "miniseg-maps")

MINISEG_DICE = _MINISEG.cases
"""Infection Dice per case of MiniSeg (Qiu et al., AAAI 2021), from the label maps of its own
five-fold cross-validation on these very slices: no case was seen by the network that made it."""

MINISEG_POOLED_ALL = _MINISEG.dice
"""MiniSeg's Dice over all 15 cases pooled, from the same label maps."""


def combine_by_size(dice: Sequence[float], reference_voxels: Sequence[int]) -> float:
    """Mean of per-case Dice weighted by the reference's size: near the pooled Dice, not equal.

    The pooled Dice weights by reference and prediction together; the predictions are not here.
    """
    total = sum(reference_voxels)
    return sum(d * n for d, n in zip(dice, reference_voxels, strict=True)) / total


def summarize(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Per case, pooled, per-case means, per-slice means and intervals, ready for JSON."""
    out: dict[str, Any] = {"cases": [_case(result) for result in results]}
    for name in ("lungs", "lesions"):
        out[name] = _scores([getattr(result, name) for result in results])
    known = [result for result in results if result.case_id in MINISEG_DICE]
    if known:
        sizes = [result.lesions.total.reference_voxels for result in known]
        dice = [MINISEG_DICE[result.case_id] for result in known]
        out["miniseg"] = {
            "cases": len(known),
            "mean_dice": sum(dice) / len(dice),
            "size_weighted_dice": combine_by_size(dice, sizes),
            "note": "size-weighted per-case Dice approximates MiniSeg's pooled Dice",
        }
    return out


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "case": result.case_id,
        "slices": len(result.lungs.slices),
        "lungs": _counts(result.lungs.total),
        "lesions": _counts(result.lesions.total),
        "miniseg_lesions_dice": MINISEG_DICE.get(result.case_id),
        "involvement_percent": _involvement(result, "predicted_voxels"),
        "reference_involvement_percent": _involvement(result, "reference_voxels"),
        "seconds": round(result.seconds, 2),
        "failure": result.failure,
        "notes": list(result.notes),
    }


def _involvement(result: CaseResult, which: str) -> float | None:
    lungs = getattr(result.lungs.total, which)
    return 100 * getattr(result.lesions.total, which) / lungs if lungs else None


def _counts(total: Confusion) -> dict[str, Any]:
    measures = {name: total.measure(name) for name in SHOWN}
    return {**measures, "reference_voxels": total.reference_voxels,
            "predicted_voxels": total.predicted_voxels}  # fmt: skip


def _scores(cases: list[CaseScore]) -> dict[str, Any]:
    scores = aggregate(cases)
    groups = [case.group for case in cases]
    per_case = {name: scores.per_volume[name] for name in SHOWN}
    per_slice = {name: scores.per_slice[name] for name in SHOWN}
    return {
        "pooled": _counts(scores.pooled),
        "per_case": {n: {"mean": a.mean, "std": a.std} for n, a in per_case.items()},
        "per_slice": {n: {"mean": a.mean, "std": a.std} for n, a in per_slice.items()},
        "slices_with_reference": scores.per_slice["dice"].count,
        "slices_without_reference": {
            "count": scores.empty_slices.count,
            "clean": scores.empty_slices.clean,
            "false_positive_voxels": scores.empty_slices.false_positive_voxels,
        },
        "dice_interval_95": {
            "pooled": _interval(bootstrap_interval(cases, groups, pooled_measure("dice"))),
            "per_case": _interval(bootstrap_interval(cases, groups, mean_measure("dice"))),
            "patients": len(set(groups)),
        },
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None


def to_markdown(result: dict[str, Any]) -> str:
    """The whole result as a page."""
    weights = result["weights"]
    parts = [
        f"Weights {weights['name']} {weights['version']}, lesions by "
        f"{weights['lesion_model']['name']} {weights['lesion_model']['version']}, "
        f"engine {result['engine']}, "
        f"lung network every {result['settings']['lung_step_mm']:g} mm"
        f"{', mirrored slices averaged' if result['settings']['flips'] else ''}.\n",
    ]
    if result.get("held_out"):
        parts += _group(result["held_out"], "Held-out cases (never trained on)")
    if result.get("training_cases"):
        title = "Training cases: the networks were fitted to these, no evidence of accuracy"
        parts += _group(result["training_cases"], title)
    if result.get("healthy"):
        parts.append(_healthy(result["healthy"]))
    if result.get("cip"):
        parts.append(_cip(result["cip"]))
    if result.get("intensity"):
        parts.append(_intensity(result["intensity"]))
    parts += [f"Left out: {reason}\n" for reason in result.get("left_out", [])]
    return "\n".join(parts)


def _group(summary: dict[str, Any], title: str) -> list[str]:
    rows: list[list[object]] = []
    for case in summary["cases"]:
        lungs, lesions = case["lungs"], case["lesions"]
        rows.append(
            [case["case"], case["slices"], _number(lungs["dice"]), _number(lesions["dice"]),
             _number(lesions["precision"]), _number(lesions["recall"]),
             _number(case["miniseg_lesions_dice"]), _number(case["involvement_percent"], 1),
             _number(case["reference_involvement_percent"], 1)]
        )  # fmt: skip
    pooled = {name: summary[name]["pooled"] for name in ("lungs", "lesions")}
    rival = summary.get("miniseg", {})
    rows.append(
        ["**pooled**", sum(case["slices"] for case in summary["cases"]),
         f"**{_number(pooled['lungs']['dice'])}**", f"**{_number(pooled['lesions']['dice'])}**",
         _number(pooled["lesions"]["precision"]), _number(pooled["lesions"]["recall"]),
         f"~{_number(rival.get('size_weighted_dice'))}", "", ""]
    )  # fmt: skip
    means = {name: summary[name]["per_case"] for name in ("lungs", "lesions")}
    rows.append(
        ["mean of cases", "", _number(means["lungs"]["dice"]["mean"]),
         *(_number(means["lesions"][name]["mean"]) for name in SHOWN),
         _number(rival.get("mean_dice")), "", ""]
    )  # fmt: skip
    head = ["case", "slices", "lungs Dice", "lesions Dice", "precision", "recall",
            "MiniSeg lesions Dice", "involved %", "reference %"]  # fmt: skip
    return [f"### {title}\n", table(head, rows), _slices(summary), _failures(summary)]


def _slices(summary: dict[str, Any]) -> str:
    rows: list[list[object]] = []
    for name in ("lungs", "lesions"):
        part = summary[name]
        empty = part["slices_without_reference"]
        spans = part["dice_interval_95"]
        rows.append(
            [name, part["slices_with_reference"],
             *(_number(part["per_slice"][measure]["mean"]) for measure in SHOWN),
             f"{empty['clean']} of {empty['count']}", _span(spans["pooled"]),
             _span(spans["per_case"])]
        )  # fmt: skip
    head = ["", "slices with reference", "mean slice Dice", "precision", "recall",
            "clean of slices without", "pooled Dice 95 %", "mean case Dice 95 %"]  # fmt: skip
    patients = summary["lungs"]["dice_interval_95"]["patients"]
    return (
        table(head, rows)
        + f"\nIntervals: bootstrap over {patients} patients; with so few they are coarse. "
        "MiniSeg: its authors' cross-validated label maps on these slices; '~' is their per-case "
        "Dice weighted by reference size, an approximation of its pooled Dice.\n"
    )


def _failures(summary: dict[str, Any]) -> str:
    told = [f"- {c['case']}: {c['failure']}" for c in summary["cases"] if c["failure"]]
    return "\n".join(["Refused, counted as empty masks:", *told]) + "\n" if told else ""


def _healthy(healthy: dict[str, Any]) -> str:
    rows = [
        [name, part["slices"], f"{part['lung_voxels']:,}", f"{part['lesion_voxels']:,}",
         _number(part["percent_of_lungs"])]
        for name, part in healthy["false_lesions"].items()
    ]  # fmt: skip
    dice = healthy.get("lungs_dice_against_threshold")
    return (
        f"### A healthy scan ({healthy['scan']}): what is called lesion there\n\n"
        + table(["slices", "count", "lung voxels", "called lesion", "% of lungs"], rows)
        + f"\nLungs against a threshold's: Dice {_number(dice)}. The held-out blocks are of the "
        "same patient as the training blocks.\n"
        + (f"Refused: {healthy['failure']}\n" if healthy["failure"] else "")
    )


def _cip(cip: dict[str, Any]) -> str:
    rows = [
        [name, *(_number(cip[measure][name]) for measure in SHOWN)]
        for name in ("both", "right", "left")
    ]
    return (
        "### The CIP scan (another scanner, 4 mm voxels, HU)\n\n"
        + table(["lungs", "Dice", "precision", "recall"], rows)
        + f"\nVoxels on the wrong side: {cip['voxels_on_the_wrong_side']}. Called lesion: "
        f"{_number(cip['called_lesion_percent'], 2)} % of the lungs; what is there is unknown.\n"
        + (f"Refused: {cip['failure']}\n" if cip["failure"] else "")
    )


def _intensity(rows: list[dict[str, Any]]) -> str:
    shown = [
        [row["variant"], row["intensity"], row["taken_as"], _number(row["lungs_dice_against_hu"]),
         _number(row["called_lesion_percent"]), row["failure"]]
        for row in rows
    ]  # fmt: skip
    head = ["the healthy scan as", "--intensity", "taken as", "lungs Dice against HU's",
            "called lesion, % of lungs", "refused"]  # fmt: skip
    return "### The same scan in other intensity domains\n\n" + table(head, shown)


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _span(interval: list[float] | None) -> str:
    return f"{interval[0]:.3f}-{interval[1]:.3f}" if interval else ""
