"""When to stop."""

from __future__ import annotations

from groundglass.training.early_stopping import ValidationWatch


def test_the_first_of_equals_is_the_best() -> None:
    watch = ValidationWatch()
    assert watch.best is None
    better = [watch.look(step, dice) for step, dice in ((2, 0.0), (4, 0.5), (6, 0.5), (8, 0.4))]
    assert better == [True, True, False, False]
    assert watch.best == (4, 0.5)


def test_over_after_patience_looks_without_a_better_one() -> None:
    watch = ValidationWatch()
    assert not watch.is_over(1)
    over = []
    for step, dice in enumerate((0.1, 0.3, 0.2, 0.3, 0.25, 0.4), start=1):
        watch.look(step, dice)
        over.append(watch.is_over(3))
    assert over == [False, False, False, False, True, False]


def test_looks_come_back_from_what_json_made_of_them() -> None:
    watch = ValidationWatch([[2, 0.5], [4, 1]])  # pyright: ignore[reportArgumentType]
    assert watch.looks == ((2, 0.5), (4, 1.0))
    assert watch.best == (4, 1.0)
