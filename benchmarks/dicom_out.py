"""Seconds of each DICOM object beside the whole analysis, and what the objects weigh.

    python benchmarks/dicom_out.py

One cold `groundglass analyze --dicom seg,sr,pdf,sc` of a phantom; seconds are those of its own
run.json: making, writing and reading back. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from markdown_table import table
from measured_process import run_measured

KINDS = {"seg": "seg.dcm", "sr": "sr.dcm", "pdf": "report.dcm", "sc": "sc-*.dcm"}


def main(argv: list[str] | None = None) -> int:
    """Make the phantom, analyze it once, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--size", type=int, default=512, help="rows and columns (default 512)")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args(argv)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        scan, out = Path(folder) / "scan", Path(folder) / "out"
        shape = f"{arguments.slices},{arguments.size},{arguments.size}"
        _groundglass("phantom", scan, "--size", shape, threads=arguments.threads)
        _groundglass(
            "analyze", scan / "dicom", "-o", out, "--dicom", ",".join(KINDS),
            threads=arguments.threads,
        )  # fmt: skip
        run = json.loads((out / "run.json").read_text(encoding="utf-8"))
        print(f"load average before: {before:.1f}\n")
        print(to_markdown(run, {kind: _mb(out / "dicom", kind) for kind in KINDS}))
    return 0


def to_markdown(run: dict[str, Any], sizes_mb: dict[str, float]) -> str:
    """A row for each kind of object, and one for the whole analysis."""
    whole_s = run["seconds_total"]
    rows: list[tuple[str, str, str, str]] = []
    for kind, size_mb in sizes_mb.items():
        spent_s = run["seconds"][f"dicom: {kind}"]
        rows.append((kind, f"{spent_s:.2f}", f"{100 * spent_s / whole_s:.1f} %", f"{size_mb:.1f}"))
    rows.append(("whole analysis", f"{whole_s:.1f}", "100 %", ""))
    return table(("", "s", "share", "MB"), rows)


def _groundglass(command: str, *more: str | Path, threads: int) -> None:
    program = [sys.executable, "-m", "groundglass", command]
    run_measured([*program, *(str(part) for part in more)], threads=threads)


def _mb(folder: Path, kind: str) -> float:
    return sum(path.stat().st_size for path in folder.glob(KINDS[kind])) / 1e6


if __name__ == "__main__":
    sys.exit(main())
