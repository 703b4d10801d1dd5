"""When to stop: what validation said so far."""

from __future__ import annotations

from collections.abc import Sequence


class ValidationWatch:
    """The looks at the validation scans: (step, Dice), in order; stored with the checkpoint."""

    def __init__(self, looks: Sequence[tuple[int, float]] = ()) -> None:
        self.looks: tuple[tuple[int, float], ...] = tuple((int(s), float(d)) for s, d in looks)

    @property
    def best(self) -> tuple[int, float] | None:
        """The first look with the highest Dice."""
        return max(self.looks, key=lambda look: look[1], default=None)

    def look(self, step: int, dice: float) -> bool:
        """Note a look; whether it is better than all before."""
        best = self.best
        self.looks = (*self.looks, (step, dice))
        return best is None or dice > best[1]

    def is_over(self, patience: int) -> bool:
        """Whether the last `patience` looks brought nothing better."""
        best = self.best
        return best is not None and sum(step > best[0] for step, _ in self.looks) >= patience
