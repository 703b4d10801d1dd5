"""Whole analyses by lesion model and engine, in turn: seconds of each stage, and their shares."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from markdown_table import table

ENGINES = ("onnx", "openvino", "torch")

STAGES = {
    "reading": ("read",),
    "lungs": ("lungs: network", "lungs: clean-up"),
    "lesions": ("lesions: network",),
    "masks, measures, report": (
        "masks to the scan's grid", "measure", "write masks", "report",
    ),
}  # fmt: skip
"""Columns of the table, and the stages of `run.json` in each."""


def measure_engines(
    analyze: Callable[[Sequence[str]], dict[str, Any]], models: Sequence[str], *, repeats: int
) -> list[dict[str, Any]]:
    """A row per lesion model and engine; `analyze` runs the command with options, once.

    Round after round, so that a disturbance of the machine hits all of them.
    """
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(repeats):
        for model in models:
            for engine in ENGINES:
                options = ["--lesion-model", model, "--engine", engine]
                runs.setdefault((model, engine), []).append(analyze(options))
    return [
        {"lesion_model": model, "engine": engine, "runs": found}
        for (model, engine), found in runs.items()
    ]


def engines_table(rows: Sequence[dict[str, Any]]) -> str:
    """Seconds and share of each stage; of several runs, the medians."""
    out: list[list[object]] = []
    for row in rows:
        seconds = [run["run"]["seconds"] for run in row["runs"]]
        whole = statistics.median(run["wall_s"] for run in row["runs"])
        cells: list[object] = [row["lesion_model"], row["engine"], f"{whole:.1f}"]
        known = 0.0
        for names in STAGES.values():
            spent = statistics.median(sum(s.get(name, 0.0) for name in names) for s in seconds)
            known += spent
            cells.append(f"{spent:.1f} ({100 * spent / whole:.0f} %)")
        rest = max(0.0, whole - known)
        cells.append(f"{rest:.1f} ({100 * rest / whole:.0f} %)")
        seen = row["runs"][0]["run"]["slices_seen"]["lesions"]
        lesions = statistics.median(s["lesions: network"] for s in seconds)
        cells.append(f"{lesions / max(1, seen):.4f}")
        out.append(cells)
    head = ["lesion model", "engine", "seconds", *STAGES, "start, imports, end",
            "lesions, s a slice"]  # fmt: skip
    return (
        "### Both lesion models on every engine: seconds of the whole analysis, share of stages\n\n"
        + table(head, out, left=2)
        + f"\nMedian of {len(rows[0]['runs'])} cold process(es) each, in turn. lungs: the lung "
        "network and its clean-up, the same for both. A lesion network's slice includes making its "
        "input and bringing its answer back into the frame.\n"
    )
