"""An evaluation as tables: `cases.csv`, `slices.csv`, and Markdown for people."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundglass.evaluation.definitions import DEFINITIONS, MEASURES_TEXT, SURFACE_TEXT
from groundglass.evaluation.evaluate import CaseResult
from groundglass.metrics.overlap import MEASURES

CASE_COLUMNS = (
    "case", "group", "missing", "empty_reference", "tp", "fp", "fn", "tn", *MEASURES,
    "volume_unit", "predicted_volume", "reference_volume", "volume_error", "hausdorff95_mm",
    "average_surface_distance_mm", "reference_lesions", "detected_lesions", "missed_lesions",
    "predicted_lesions", "false_lesions", "no_surface_because",
)  # fmt: skip
"""Then one column `surface_dice_<t>mm` for each tolerance."""
SLICE_COLUMNS = (
    "case", "group", "slice", "file_axis", "file_index", "tp", "fp", "fn", "tn", *MEASURES,
)  # fmt: skip
_AGGREGATIONS = ("pooled", "per_volume", "per_slice")


def write_cases_csv(path: Path, document: dict[str, Any]) -> None:
    """One row for each case, missing ones too; undefined is empty."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        limits = document["settings"]["tolerance_mm"]
        writer.writerow([*CASE_COLUMNS, *(f"surface_dice_{limit:g}mm" for limit in limits)])
        for case in document["cases"]:
            missing = not case["prediction"]
            lesions = case["lesions"] or {}
            flat = {
                **case,
                **({} if missing else case["voxels"]),
                "missing": int(missing),
                "empty_reference": int(case["empty_reference"]),
                **{f"{key}_lesions": value for key, value in lesions.items()},
            }
            cells = [flat.get(name) for name in CASE_COLUMNS]
            writer.writerow([*cells, *(one["value"] for one in case["surface_dice"])])


def write_slices_csv(path: Path, results: Sequence[CaseResult]) -> None:
    """One row for each slice of each case that has a prediction, feet to head."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(SLICE_COLUMNS)
        for case in results:
            if case.missing:
                continue
            for index, one in enumerate(case.score.slices):
                place = (index, case.file_axis, case.file_slices[index])
                voxels = (one.tp, one.fp, one.fn, one.tn)
                measures = [one.measure(name) for name in MEASURES]
                writer.writerow([case.pair.case_id, case.pair.group, *place, *voxels, *measures])


def markdown(document: dict[str, Any]) -> str:
    """The whole evaluation for a reader, definitions included."""
    counts = f"{document['case_count']} cases of {document['group_count']} groups (patients)"
    parts = [
        "# Evaluation",
        f"Prediction `{document['prediction']}` against reference `{document['reference']}`: "
        f"{counts}. {document['notice']} Groundglass {document['groundglass']}.",
        *(f"- {text}" for text in document["warnings"]),
        "## Overlap",
        _overlap(document["scores"], document["settings"]),
    ]
    if document["scores_if_missing_were_empty"]:
        parts += [
            "### With missing predictions as empty ones",
            _overlap(document["scores_if_missing_were_empty"], document["settings"]),
        ]
    parts += ["## Surface distances", *_surface(document)]
    parts += ["## Lesions", *_lesions(document["lesions"])]
    parts += ["## Volumes", *_volumes(document["volumes"])]
    parts += ["## Cases", _cases(document), "## Definitions"]
    parts.append("\n".join(f"- *{name}*: {text}" for name, text in DEFINITIONS.items()))
    return "\n\n".join(parts) + "\n"


def _overlap(scores: dict[str, Any], settings: dict[str, Any]) -> str:
    rows = []
    for name in MEASURES:
        cells = [summary(scores[kind][name]) for kind in _AGGREGATIONS]
        rows.append([name, *cells, MEASURES_TEXT[name]])
    table = _table(["measure", "pooled", "per volume", "per slice", "definition"], rows)
    filled = (scores["per_volume"]["dice"]["count"], scores["per_slice"]["dice"]["count"])
    lines = [
        f"In brackets: {100 * settings['level']:g} % interval, bootstrap over groups "
        f"({settings['draws']} draws, seed {settings['seed']}); ±: standard deviation. "
        f"Means over {filled[0]} volumes and {filled[1]} slices whose reference is not empty.",
    ]
    for kind in ("volumes", "slices"):
        empty = scores[f"empty_{kind}"]
        lines.append(
            f"Empty references, in no mean: {empty['count']} {kind}, {empty['clean']} of them "
            f"with an empty prediction; {empty['false_positive_voxels']} false positive voxels."
        )
    return table + "\n\n" + "\n".join(lines)


def _surface(document: dict[str, Any]) -> list[str]:
    surface = document["surface"]
    rows = [
        [name, summary(surface[name]), str(surface[name]["count"]), SURFACE_TEXT[name]]
        for name in ("hausdorff95_mm", "average_surface_distance_mm")
    ]
    rows += [
        [f"surface_dice at {one['tolerance_mm']:g} mm", summary(one), str(one["count"]),
         SURFACE_TEXT["surface_dice"]]
        for one in surface["surface_dice"]
    ]  # fmt: skip
    because = [
        f"- left out, {count} of {document['case_count']} cases: {reason}"
        for reason, count in surface["left_out_because"].items()
    ]
    if not surface["hausdorff95_mm"]["count"]:
        return ["\n".join(["No case has surface distances.", "", *because])]
    return [_table(["measure", "mean", "cases", "definition"], rows), "\n".join(because)]


def _lesions(lesions: dict[str, Any]) -> list[str]:
    keys = ("reference", "detected", "missed", "recall", "predicted", "false", "precision")
    rows = [
        [size_text(one, lesions["size_unit"]), *(cell(one[key]) for key in keys)]
        for one in lesions["by_size"]
    ]
    rows.append(["all", *(cell(lesions["all"][key]) for key in keys)])
    words = "; ".join(f"{key}: {DEFINITIONS[key]}" for key in ("lesion", "detected", "false"))
    return [_table(["size", *keys], rows), words]


def size_text(one: dict[str, Any], unit: str) -> str:
    """A size class in words."""
    if one["below"] is None:
        return f"{one['from']:g} {unit} and more"
    return f"{one['from']:g} to {one['below']:g} {unit}"


def _volumes(volumes: dict[str, Any]) -> list[str]:
    rows = [
        [f"{name} ({volumes['unit']})", summary(volumes[name], digits=1), DEFINITIONS[name]]
        for name in ("volume_error", "absolute_volume_error")
    ]
    return [_table(["measure", "mean", "definition"], rows)]


def _cases(document: dict[str, Any]) -> str:
    names = ("dice", "jaccard", "precision", "recall")
    rows = []
    for case in document["cases"]:
        state = "no prediction" if not case["prediction"] else ""
        state = "empty reference" if case["empty_reference"] else state
        volumes = (case["reference_volume"], case["predicted_volume"])
        rows.append(
            [case["case"], case["group"], *(cell(case[name]) for name in names),
             cell(case["hausdorff95_mm"], 1), *(cell(v, 1) for v in volumes),
             case["volume_unit"], state]
        )  # fmt: skip
    head = ["case", "group", *names, "hausdorff95_mm", "reference", "predicted", "unit", ""]
    return _table(head, rows)


def summary(found: dict[str, Any], digits: int = 3) -> str:
    """A value with its deviation and interval, '-' where there is none."""
    value = found["value"] if "value" in found else found["mean"]
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    if found.get("std") is not None:
        text += f" ± {found['std']:.{digits}f}"
    if found["interval"] is not None:
        low, high = found["interval"]
        text += f" [{low:.{digits}f}, {high:.{digits}f}]"
    return text


def cell(value: float | int | str | None, digits: int = 3) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(text).replace("|", "\\|") for text in line) + " |" for line in lines
    )
