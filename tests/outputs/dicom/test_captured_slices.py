"""What is drawn on a captured slice, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundglass.outputs.dicom.captured_slices import draw_capture
from groundglass.outputs.report import ReportInputs
from groundglass.outputs.report.scene import Scene

STRIP = 30


def scene_of(case, **changes) -> Scene:
    volume = replace(case.volume, **changes)
    return Scene.build(ReportInputs(volume, case.lungs, case.lesions, case.findings))


def near(frame: np.ndarray, color: tuple[int, int, int], tolerance: int = 40) -> np.ndarray:
    return np.abs(frame.astype(int) - color).max(axis=-1) < tolerance


def sick_slice(case) -> int:
    return int(case.lesions.sum(axis=(1, 2)).argmax())


def test_the_patients_right_is_on_the_left(case) -> None:
    """The lesion of the case lies in the right lung, low in the back."""
    frame = draw_capture(scene_of(case), sick_slice(case))
    rows, columns = np.nonzero(near(frame[STRIP:-STRIP], (255, 138, 42)))
    assert rows.size > 100
    assert columns.mean() < frame.shape[1] * 0.4
    assert rows.mean() > (frame.shape[0] - 2 * STRIP) * 0.5


def test_a_scan_in_another_order_gives_the_same_picture(case) -> None:
    d = sick_slice(case)
    plain = draw_capture(scene_of(case), d)
    flips = (slice(None, None, -1), slice(None), slice(None, None, -1))
    affine = case.volume.affine.copy()
    last = np.array(case.volume.shape) - 1
    affine[:3, 3] += affine[:3, 0] * last[0] + affine[:3, 2] * last[2]
    affine[:, 0] *= -1
    affine[:, 2] *= -1
    turned = replace(case.volume, array=case.volume.array[flips], affine=affine)
    inputs = ReportInputs(turned, case.lungs[flips], case.lesions[flips], case.findings)
    other = draw_capture(Scene.build(inputs), d)
    assert np.array_equal(plain[STRIP:], other[STRIP:])  # the number of the slice differs
    assert not np.array_equal(plain[:STRIP], other[:STRIP])


def test_without_lesion_nothing_is_orange(case) -> None:
    healthy = int(np.flatnonzero(case.lesions.sum(axis=(1, 2)) == 0)[-2])
    frame = draw_capture(scene_of(case), healthy)
    assert not near(frame[STRIP:-STRIP], (255, 138, 42)).any()
    assert near(frame[STRIP:-STRIP], (77, 181, 240)).sum() > 50


def test_proportions_are_true(case) -> None:
    affine = case.volume.affine.copy()
    affine[1, 1] = 3.0
    frame = draw_capture(scene_of(case, affine=affine), 3)
    assert frame.shape == (round(512 * 40 * 3 / (48 * 6)) + 2 * STRIP, 512, 3)


@pytest.mark.parametrize(("d", "name"), [(0, "first"), (23, "last")])
def test_strips_hold_their_words(case, d: int, name: str) -> None:
    """Notice and place above, legend below; none reaches the edge, and above none touches."""
    affine = case.volume.affine.copy()
    affine[2, 3] = -9999.9
    frame = draw_capture(scene_of(case, affine=affine), d)
    top, bottom = frame[:STRIP].max(axis=(0, 2)), frame[-STRIP:].max(axis=(0, 2))
    assert near(frame[:STRIP], (245, 196, 81)).sum() > 200
    for strip in (top, bottom):
        assert strip[:6].max() == 0
        assert strip[-6:].max() == 0
    inked = np.flatnonzero(top)
    assert np.diff(inked).max() > 14, name  # words of the notice are 4 pixels apart
