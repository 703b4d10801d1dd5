"""A study's table as CSV (every number) and Markdown (for people), the paper's figures beside."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from groundglass.metrics.aggregate import Average, Interval, Scores
from groundglass.metrics.overlap import MEASURES
from groundglass.studies.row import Row
from groundglass.studies.row_summary import RowSummary
from groundglass.studies.table_page import markdown
from groundglass.studies.table_plot import draw_table
from groundglass.studies.table_row import Conditions, TableRow, table_rows

__all__ = [
    "COLUMNS",
    "Conditions",
    "TableRow",
    "table_rows",
    "write_csv",
    "write_markdown",
    "write_table",
]

COLUMNS = (
    "row",
    "label",
    "target",
    "protocol",
    "fold",
    "aggregation",
    "measure",
    "value",
    "std",
    "low",
    "high",
    "cases",
    "patients",
    "slices",
    "empty",
    "paper",
    "paper_faults",
    "data",
)
"""`fold` is its number or "all"; `aggregation` pooled, per volume, per slice, or mean of folds.

`std` is the deviation over folds, volumes or slices; `low` and `high` a 95 % bootstrap interval
over patients. `empty` counts the volumes (per slice: the slices) whose reference marks nothing:
they are in the pooled counts and left out of the means. `data` is real or phantom.
"""


def write_csv(path: Path, rows: Sequence[TableRow], conditions: Conditions) -> None:
    """Write every number of a table in long form (`COLUMNS`), whole or not at all."""
    data = "phantom" if conditions.is_phantom else "real"
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer: csv.DictWriter[str] = csv.DictWriter(
            stream, COLUMNS, restval="", lineterminator="\n"
        )
        writer.writeheader()
        for one in rows:
            for values in _csv_lines(one):
                writer.writerow({**values, "data": data})
    partial.replace(path)


def _csv_lines(one: TableRow) -> Iterator[dict[str, object]]:
    row, summary = one.row, one.summary
    head: dict[str, object] = {
        "row": row.key,
        "label": row.label,
        "target": row.target,
        "protocol": row.protocol_label,
    }
    for fold, scores in summary.folds:
        cases = next(f.cases for f in row.folds if f.fold == fold)
        yield from _csv_scores(
            {
                **head,
                "fold": fold,
                "cases": len(cases),
                "patients": len({case.group for case in cases}),
                "slices": sum(len(case.slices) for case in cases),
            },
            scores,
        )
    head |= {
        "fold": "all",
        "cases": summary.cases,
        "patients": summary.patients,
        "slices": summary.slices,
    }
    for values in _csv_scores(head, summary.scores, summary):
        if values["aggregation"] == "pooled" and one.paper is not None:
            measure = str(values["measure"])
            wrong = [fault.check for fault in one.faults if measure in fault.measures]
            values["paper"] = one.paper.figures.get(measure, "")
            values["paper_faults"] = " ".join(wrong)
        yield values
    for measure in MEASURES:
        mean = summary.over_folds[measure]
        yield {**head, "aggregation": "mean of folds", **_csv_average(measure, mean)}


def _csv_scores(
    head: dict[str, object], scores: Scores, summary: RowSummary | None = None
) -> Iterator[dict[str, object]]:
    """Three aggregations of some scores; intervals where there is a summary."""
    volumes, slices = scores.empty_volumes.count, scores.empty_slices.count
    for measure in MEASURES:
        value = scores.pooled.measure(measure)
        interval = summary.pooled[measure] if summary else None
        yield {
            **head,
            "aggregation": "pooled",
            "measure": measure,
            "value": _exact(value),
            "empty": volumes,
            **_csv_interval(interval),
        }
    parts = (
        ("per volume", scores.per_volume, volumes, summary.per_volume if summary else {}),
        ("per slice", scores.per_slice, slices, summary.per_slice if summary else {}),
    )
    for aggregation, averages, empty, intervals in parts:
        for measure in MEASURES:
            yield {
                **head,
                "aggregation": aggregation,
                "empty": empty,
                **_csv_average(measure, averages[measure]),
                **_csv_interval(intervals.get(measure)),
            }


def _csv_average(measure: str, mean: Average) -> dict[str, object]:
    return {"measure": measure, "value": _exact(mean.mean), "std": _exact(mean.std)}


def _csv_interval(interval: Interval | None) -> dict[str, object]:
    if interval is None:
        return {}
    return {"low": _exact(interval.low), "high": _exact(interval.high)}


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def write_markdown(
    path: Path, rows: Sequence[TableRow], conditions: Conditions, *, table: int
) -> None:
    """Write the readable page of a table, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(markdown(rows, conditions, table=table), encoding="utf-8")
    partial.replace(path)


def write_table(
    folder: Path, rows: Sequence[Row], conditions: Conditions, *, table: int
) -> tuple[Path, ...]:
    """Write `table-N.csv`, `table-N.md` and `table-N.png` into `folder`; their paths.

    Raises: SettingsError as `table_rows`; MissingExtraError without matplotlib.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = table_rows(rows, table, study=conditions.study)
    csv_path, page, picture = (folder / f"table-{table}.{end}" for end in ("csv", "md", "png"))
    write_csv(csv_path, found, conditions)
    write_markdown(page, found, conditions, table=table)
    draw_table(picture, found, conditions, table=table)
    return csv_path, page, picture
