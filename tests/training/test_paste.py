"""Pasted lesions, counted by hand on small slices."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.training.paste import Donor, paste_lesions

SHAPE = (40, 40)


def filled(value: int, *boxes: tuple[slice, slice, int]) -> np.ndarray:
    image = np.full(SHAPE, value, np.uint8)
    for rows, columns, inside in boxes:
        image[rows, columns] = inside
    return image


LUNGS = filled(0, (slice(5, 35), slice(5, 35), 1))
LEFT, RIGHT = slice(8, 18), slice(22, 32)
ROWS = slice(10, 30)


def donor(*, clear: int = 60, lesion: int = 110) -> Donor:
    """A lesion in the right half, 50 brighter than its lung; half of it beside the other's lungs
    where they end."""
    return Donor(
        filled(200, (slice(5, 35), slice(5, 35), clear), (ROWS, slice(22, 40), lesion)),
        filled(0, (slice(5, 35), slice(5, 40), 1)),
        filled(0, (ROWS, slice(22, 40), 1)),
    )


def test_a_lesion_comes_as_much_brighter_as_it_was_and_stays_inside_the_lungs() -> None:
    image = filled(180, (slice(5, 35), slice(5, 35), 30))
    target = np.zeros(SHAPE, np.uint8)
    mixed, found = paste_lesions(image, target, LUNGS, donor())
    expected = filled(0, (ROWS, slice(22, 35), 1))
    assert np.array_equal(found, expected)
    assert mixed[20, 28] == 30 + 50
    assert mixed[20, 8] == 30
    assert mixed[20, 39] == 180  # blended over two pixels beyond the lungs' edge, no further
    assert (mixed.dtype, found.dtype) == (np.uint8, np.uint8)
    assert not target.any()
    assert (image[5:35, 5:35] == 30).all()


def test_lesions_that_were_there_stay() -> None:
    image = filled(180, (slice(5, 35), slice(5, 35), 30), (ROWS, LEFT, 90))
    target = filled(0, (ROWS, LEFT, 1)).astype(np.float32) * np.float32(0.75)  # a soft one
    mixed, found = paste_lesions(image, target, LUNGS, donor())
    assert found[20, 10] == np.float32(0.75)
    assert found[20, 28] == 1
    assert (mixed[20, 10], mixed[20, 28]) == (90, 80)


def test_gray_stays_within_eight_bits() -> None:
    image = filled(180, (slice(5, 35), slice(5, 35), 240))
    mixed, _ = paste_lesions(image, np.zeros(SHAPE, np.uint8), LUNGS, donor(lesion=200))
    assert mixed[20, 28] == 255


@pytest.mark.parametrize(
    ("lungs", "target", "given"),
    [
        (np.zeros(SHAPE, np.uint8), None, donor()),
        (LUNGS, LUNGS, donor()),
        (LUNGS, None, Donor(donor().image, donor().lesions, donor().lesions)),
    ],
    ids=["no lungs", "no clear lung", "no clear lung of the donor"],
)
def test_where_nothing_can_be_compared_nothing_changes(
    lungs: np.ndarray, target: np.ndarray | None, given: Donor
) -> None:
    image = filled(180, (slice(5, 35), slice(5, 35), 30))
    before = np.zeros(SHAPE, np.uint8) if target is None else target
    mixed, found = paste_lesions(image, before, lungs, given)
    assert mixed is image
    assert found is before
