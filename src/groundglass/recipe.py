"""The recipe: everything between a scan's values and a network's input, stored with the weights.

Torch-free and OpenCV-free: only the decisions. `ops.slice_image` carries them out, the same code
in training and in analysis.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from groundglass.errors import SettingsError


@dataclass(frozen=True)
class SliceRecipe:
    """How one axial slice becomes a network's input.

    The slice is fitted into a square *frame* (`frame_size` pixels, aspect kept, area
    interpolation), clipped to `window_hu` if in HU, scaled by its own minimum and maximum to
    8 bit, and equalized by CLAHE unless it already is. The lung stage sees the whole frame
    resized to `network_size`; the lesion stage sees the lungs' box of the frame times the lung
    mask, `network_size` large, never enlarged. A network of stage "direct" looks for lesions in
    the whole frame, as the lung stage does for lungs.

    `mask_outside`: the lesion stage sees zeros outside the lungs, as in the paper; False shows it
    the whole box, and the lungs only say where a lesion may be.
    `clahe_clip` 0 means no CLAHE. `equalized_below`: an 8-bit scan whose median tile-histogram
    peak lies below this share counts as equalized already.
    """

    stage: str
    network_size: tuple[int, int]
    frame_size: int = 256
    window_hu: tuple[float, float] = (-1100.0, 500.0)
    clahe_clip: float = 7.0
    clahe_tiles: int = 8
    equalized_below: float = 0.07
    mean: float = 0.45
    std: float = 0.27
    box_margin: int = 4
    mask_margin: int = 1
    mask_outside: bool = True
    threshold: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "network_size", tuple(int(n) for n in self.network_size))
        object.__setattr__(self, "window_hu", tuple(float(n) for n in self.window_hu))
        if self.stage not in ("lungs", "lesions", "direct"):
            raise SettingsError(
                f"recipe stage is {self.stage!r}", expected="lungs, lesions or direct"
            )
        if len(self.network_size) != 2 or min(self.network_size) < 16:
            raise SettingsError(
                f"recipe network_size is {self.network_size}", expected="two sizes of 16 or more"
            )
        if not self.window_hu[0] < self.window_hu[1]:
            raise SettingsError(f"recipe window_hu is {self.window_hu}", expected="LO < HI in HU")
        if self.std <= 0 or self.clahe_clip < 0 or self.clahe_tiles < 1 or self.frame_size < 32:
            raise SettingsError(
                f"recipe has std {self.std}, clahe_clip {self.clahe_clip}, clahe_tiles "
                f"{self.clahe_tiles}, frame_size {self.frame_size}",
                expected="std above 0, clip 0 or more, tiles 1 or more, frame 32 or more",
            )

    def to_dict(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SliceRecipe:
        """Rebuild from `to_dict`. Raises: SettingsError on an unknown or missing name."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        missing = sorted({"stage", "network_size"} - set(values))
        if unknown or missing:
            raise SettingsError(
                f"recipe has unknown fields {unknown} and lacks {missing}",
                expected=", ".join(sorted(known)),
            )
        return cls(**values)
