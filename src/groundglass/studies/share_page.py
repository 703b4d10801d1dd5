"""The involved share by prediction against the experts', scan by scan: page, table, picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from groundglass.datasets.index import IndexRow
from groundglass.evaluation.figures import save_figure
from groundglass.measurement.settings import MeasureSettings
from groundglass.measurement.severity import grade_mosmed
from groundglass.metrics.aggregate import Interval
from groundglass.metrics.share_agreement import ShareAgreement, SharePair, share_agreement
from groundglass.studies.phantom_words import phantom_words
from groundglass.studies.row import Row
from groundglass.studies.table_row import PHANTOM_WARNING

SEVERE_PERCENT = 25.0
"""From here on a scan is severe: MosMedData's CT-2 to CT-4."""

_FIELDS = ("case", "patient", "reference_percent", "predicted_percent", "error", "reference_grade",
           "predicted_grade", "phantom")  # fmt: skip

_DEFINITIONS = (
    "**share**: lesion pixels over the pixels of the reference lungs, both in the index's frames "
    "and slices, so the same lungs for both; predicted lesions at the row's own threshold, those "
    "outside of the reference lungs counted too. Every scan was predicted by a network that saw "
    "none of its patient.",
    "**error**: predicted minus reference, in percentage points. **limits of agreement**: mean "
    "error ± 1.96 standard deviations of the scans (Bland and Altman 1986).",
    "**grade**: MosMed's bands on the share; severe is CT-2 and above (25 % or more). The bands "
    "were made for what a reader sees, not for a count of pixels.",
    "**95 %**: percentile bootstrap over patients, 2,000 draws.",
)


def share_pairs(row: Row, index: Sequence[IndexRow]) -> list[SharePair]:
    """Of a lesion row's scans whose index row knows the lungs, in order of name."""
    lungs = {one.scan_id: one.lung_voxels for one in index}
    return [
        SharePair(
            case.case_id,
            case.group,
            100 * case.total.reference_voxels / lungs[case.case_id],
            100 * case.total.predicted_voxels / lungs[case.case_id],
        )
        for case in row.cases
        if lungs.get(case.case_id)
    ]


def write_shares(row: Row, index: Sequence[IndexRow], out: Path, *, seed: int = 0) -> list[Path]:
    """Write `shares-<row>.md`, `.csv` and `.png` into `out`; none where no lungs are known."""
    pairs = share_pairs(row, index)
    if not pairs:
        return []
    phantoms = phantom_words(index)
    page, table, picture = (out / f"shares-{row.key}.{end}" for end in ("md", "csv", "png"))
    found = share_agreement(pairs, seed=seed)
    text = _markdown(row, pairs, found, phantoms=phantoms)
    partial = page.with_name(f".{page.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(page)
    _write_csv(table, pairs, is_phantom=bool(phantoms))
    _draw(picture, pairs, found, heading=f"{row.label}: involved share{phantoms}")
    return [page, table, picture]


def _grade(percent: float) -> str:
    return grade_mosmed(percent, MeasureSettings().noise_floor_percent).name


def _markdown(row: Row, pairs: Sequence[SharePair], found: ShareAgreement, *, phantoms: str) -> str:
    same = sum(_grade(p.reference_percent) == _grade(p.predicted_percent) for p in pairs)
    severe = [p for p in pairs if p.reference_percent >= SEVERE_PERCENT]
    called = [p for p in pairs if p.predicted_percent >= SEVERE_PERCENT]
    both = sum(p in called for p in severe)
    parts = [f"# {row.label}: involved share of the lungs{phantoms}"]
    if phantoms:
        parts.append(f"> **Warning: {PHANTOM_WARNING}.**")
    lines = [
        f"{found.count} scans of {len({p.group for p in pairs})} patients, {row.protocol_label}, "
        f"folds {', '.join(str(fold.fold) for fold in row.folds)}.",
        f"Mean error {found.bias:+.1f} points{_interval(found.bias_interval)}; mean absolute error "
        f"{found.absolute:.1f}{_interval(found.absolute_interval)}; limits of agreement "
        + ("–" if found.low is None else f"{found.low:+.1f} to {found.high:+.1f}")
        + ".",
        f"Same MosMed band: {same} of {found.count}. Severe by the reference: {len(severe)}, of "
        f"them called severe: {both}; mild by the reference: {found.count - len(severe)}, of them "
        f"called severe: {len(called) - both}.",
    ]
    parts.append("\n".join(f"- {line}" for line in lines))
    header = ("scan", "reference %", "predicted %", "error", "reference grade", "predicted grade")
    body = [
        (
            p.case_id,
            f"{p.reference_percent:.1f}",
            f"{p.predicted_percent:.1f}",
            f"{p.error:+.1f}",
            _grade(p.reference_percent),
            _grade(p.predicted_percent),
        )
        for p in pairs
    ]
    grid = (header, ("---",) * len(header), *body)
    parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in grid))
    parts.append("## Definitions\n\n" + "\n".join(f"- {text}" for text in _DEFINITIONS))
    return "\n\n".join(parts) + "\n"


def _interval(found: Interval | None) -> str:
    return "" if found is None else f" [{found.low:.1f}, {found.high:.1f}]"


def _write_csv(path: Path, pairs: Sequence[SharePair], *, is_phantom: bool) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_FIELDS)
        for p in pairs:
            values = (p.reference_percent, p.predicted_percent, p.error)
            grades = (_grade(p.reference_percent), _grade(p.predicted_percent))
            numbers = (f"{value:.4f}" for value in values)
            writer.writerow((p.case_id, p.group, *numbers, *grades, "yes" if is_phantom else ""))
    partial.replace(path)


def _draw(path: Path, pairs: Sequence[SharePair], found: ShareAgreement, *, heading: str) -> None:
    """Left predicted against reference, right errors against their middle, with the limits."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(heading, fontsize=10)
    left, right = figure.subplots(1, 2)
    x, y = [p.reference_percent for p in pairs], [p.predicted_percent for p in pairs]
    end = 1.05 * max(*x, *y, SEVERE_PERCENT)
    left.plot([0, end], [0, end], color="0.6", linewidth=0.8)
    left.axvline(SEVERE_PERCENT, color="0.8", linestyle="--", linewidth=0.8)
    left.axhline(SEVERE_PERCENT, color="0.8", linestyle="--", linewidth=0.8)
    left.scatter(x, y, s=18)
    left.set(xlim=(0, end), ylim=(0, end), xlabel="by experts, % of the lungs",
             ylabel="by prediction, % of the lungs")  # fmt: skip
    left.set_aspect("equal")
    right.scatter([(a + b) / 2 for a, b in zip(x, y, strict=True)], [p.error for p in pairs], s=18)
    for level, style in ((found.bias, "-"), (found.low, "--"), (found.high, "--")):
        if level is not None:
            right.axhline(level, color="0.5", linestyle=style, linewidth=0.8)
    right.axhline(0, color="0.85", linewidth=0.6)
    right.set(xlabel="mean of both, % of the lungs", ylabel="prediction minus experts, points")
    save_figure(figure, path)
