"""How lung and lesions look in one person; the defaults are those of every single phantom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LungLook:
    """Healthy lung: its HU in the middle of the chest, how they change from there, how uneven
    they are, and the share of the vessels that is drawn.
    """

    hu: float = -868.0
    hu_per_mm_to_back: float = 0.25
    hu_per_mm_to_head: float = -0.06
    texture_hu: float = 11.0
    vessel_share: float = 1.0


@dataclass(frozen=True)
class LesionLook:
    """Where disease begins, and how it looks.

    A point's score is made of two noises (`large`, `small`: their weights), of its closeness to
    the pleura (`peripheral`) and of its height and depth. `patch_scale` widens the large noise,
    and so the patches. `ground_glass_hu`: the middle of the ground glass.
    """

    large: float = 0.62
    small: float = 0.27
    peripheral: float = 0.9
    per_mm_to_head: float = -0.0045
    per_mm_to_back: float = 0.0035
    patch_scale: float = 1.0
    ground_glass_hu: float = -520.0
