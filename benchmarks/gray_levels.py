"""Gray levels of lung and soft tissue after the recipe, per prepared scan (decision 0002).

    python benchmarks/gray_levels.py PREPARED

PREPARED is a folder that `groundglass prepare` wrote. Medians over six slices of each scan: lung
without lesion, lesion, and a ring of seven pixels around the lungs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from groundglass.datasets.index import PreparedScan, load_prepared, read_index
from groundglass.ops.slice_image import frame_image
from groundglass.recipe import SliceRecipe


def gray_levels(scan: PreparedScan, recipe: SliceRecipe) -> list[float]:
    """Median gray of lung, lesion and ring, averaged over six slices; NaN where there is none."""
    depth = scan.image.shape[0]
    rows = []
    for d in np.linspace(depth * 0.25, depth * 0.75, 6).astype(int):
        image = frame_image(scan.image[d], recipe, is_hu=scan.is_hu, is_equalized=not scan.is_hu)
        lung, lesion = scan.lungs[d] > 0, scan.lesions[d] > 0
        ring = (cv2.dilate(scan.lungs[d], np.ones((15, 15), np.uint8)) > 0) & ~lung
        parts = (lung & ~lesion, lesion, ring)
        rows.append([float(np.median(image[p])) if p.any() else np.nan for p in parts])
    table = np.array(rows)
    return [float(c[~np.isnan(c)].mean()) if (~np.isnan(c)).any() else np.nan for c in table.T]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    _ = parser.add_argument("prepared", type=Path, help="folder of `groundglass prepare`")
    folder = parser.parse_args().prepared
    recipe = SliceRecipe("lesions", (160, 208))
    print("| scan | lung | lesion | around |\n|---|---:|---:|---:|")
    for row in read_index(folder):
        levels = gray_levels(load_prepared(folder, row), recipe)
        print(f"| {row.scan_id} | " + " | ".join(f"{level:.0f}" for level in levels) + " |")


if __name__ == "__main__":
    main()
