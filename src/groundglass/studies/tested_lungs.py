"""Predicted lungs of a test scan, as its second stage is shown them."""

from __future__ import annotations

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.errors import NoLungError
from groundglass.ops.lung_mask import clean_lungs
from groundglass.predictor.cascade import USUAL_FIELD_MM, USUAL_LENGTH_MM


def cleaned_lungs(found: np.ndarray) -> np.ndarray:
    """Lungs as the product cleans them, on a grid of a usual chest: frames have no true spacing."""
    depth, edge, _ = found.shape
    pixel = USUAL_FIELD_MM / edge
    spacing = (min(10.0, max(1.0, USUAL_LENGTH_MM / depth)), pixel, pixel)
    try:
        return (clean_lungs(found, spacing).labels > 0).astype(np.uint8)
    except NoLungError:
        return found.astype(np.uint8)


def on_all_slices(scan: PreparedScan, values: np.ndarray) -> np.ndarray:
    """A reduced scan's map on all of the scan's slices; 0 where it was not looked at."""
    if scan.slices is None:
        return values
    out = np.zeros((scan.row.slices, *values.shape[1:]), values.dtype)
    out[scan.slices] = values
    return out
