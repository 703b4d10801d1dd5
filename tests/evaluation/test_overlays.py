"""Masks of several networks beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groundglass.errors import InputError
from groundglass.evaluation.overlays import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    TRUE_POSITIVE,
    OverlayCell,
    OverlayRow,
    draw_overlays,
    overlay,
)

REFERENCE = np.array([[True, True, False, False]])
PREDICTION = np.array([[True, False, True, False]])


def made(*, cells: int = 2, shape: tuple[int, int] = (8, 8)) -> OverlayRow:
    mask = np.zeros((8, 8), bool)
    mask[2:4, 2:5] = True
    some = tuple(OverlayCell(np.zeros(shape, bool), "Dice 0.00") for _ in range(cells))
    return OverlayRow("case", np.full((8, 8), 0.5), mask, some)


def test_hits_false_alarms_and_misses_have_their_colors() -> None:
    out = overlay(np.zeros((1, 4, 3)), REFERENCE, PREDICTION)
    for place, color in enumerate((TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE)):
        rgb = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        np.testing.assert_allclose(out[0, place], 0.75 * np.array(rgb))
    assert not out[0, 3].any()
    # green, red, blue: the channel that is strongest
    assert [int(np.argmax(pixel)) for pixel in out[0, :3]] == [1, 2, 0]


def test_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw_overlays(tmp_path / "o.png", [made(), made()], columns=["a", "b"], heading="all")
    assert (tmp_path / "o.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["o.png"]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([], ["a"], "0 slices of 1 networks"),
        ([made()], [], "1 slices of 0 networks"),
        ([made(cells=1)], ["a", "b"], "has 1 masks; expected 2"),
        ([made(shape=(8, 9))], ["a", "b"], "arrays of"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, rows: list[OverlayRow], columns: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        draw_overlays(tmp_path / "o.png", rows, columns=columns)
