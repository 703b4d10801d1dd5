"""What a scan's numbers mean: HU, HU with an offset, or an 8-bit window; found, said, overrulable.

Inside, a scan is either in HU (int16) or in a tagged 8-bit domain (uint8). The reader passes the
raw values through `resolve_intensity` once; from then on `Volume.intensity` tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.errors import IntensityError, SettingsError

AIR_HU = -1024
"""Lowest value kept: scanners pad with -1500, -2000 or -3024, which says nothing about tissue."""
HIGHEST_HU = 3071


@dataclass(frozen=True)
class Intensity:
    """The domain of a scan's values, and how it was found.

    `domain`: 'hu' (int16), 'window' (uint8, 0..255 spans `window_hu`), or 'uint8' (0..255 of
    unknown origin). `found`: 'header', 'detected' or 'given'. `evidence` is a sentence.
    """

    domain: str
    found: str
    evidence: str
    window_hu: tuple[float, float] | None = None


@dataclass(frozen=True)
class IntensityChoice:
    """What the user asked for with --intensity."""

    kind: str = "auto"
    window_hu: tuple[float, float] | None = None

    @classmethod
    def parse(cls, text: str) -> IntensityChoice:
        """Read 'auto', 'hu', 'uint8' or 'window:LO,HI'. Raises: SettingsError."""
        if text in ("auto", "hu", "uint8"):
            return cls(text)
        if text.startswith("window:"):
            try:
                low, high = (float(part) for part in text[len("window:") :].split(","))
            except ValueError:
                low, high = 0.0, 0.0
            if low < high:
                return cls("window", (low, high))
        raise SettingsError(
            f"--intensity is {text!r}",
            expected="auto, hu, uint8 or window:LO,HI with LO < HI in HU",
            remedy="For a lung window saved as 8 bit write --intensity window:-1350,150",
        )


@dataclass(frozen=True)
class _Statistics:
    low: float
    high: float
    integral: bool
    air_hu: float
    tissue_hu: float
    air_offset: float
    tissue_offset: float


def resolve_intensity(
    values: np.ndarray, choice: IntensityChoice | None = None, *, name: str = "scan"
) -> tuple[np.ndarray, Intensity]:
    """Bring raw values into one of the domains; say which and why.

    Shape: any in, the same out; int16 for HU, uint8 for 8-bit domains.
    Raises: IntensityError where nothing fits, naming the range seen and the ways out.
    """
    choice = choice or IntensityChoice()
    stats = _statistics(values, name)
    seen = f"values {stats.low:g} to {stats.high:g}"
    if choice.kind == "hu":
        if stats.low >= -100:
            raise IntensityError(
                f"{name} has {seen}, so it holds no air and cannot be in HU",
                expected="values from about -1000",
                remedy="Leave --intensity at auto, or name the window with window:LO,HI",
            )
        return _as_hu(values), Intensity("hu", "given", f"HU as asked; {seen}")
    if choice.kind in ("uint8", "window"):
        array = _as_eight_bit(values, stats, name)
        return array, Intensity(choice.kind, "given", f"as asked; {seen}", choice.window_hu)
    if stats.low >= 0 and stats.high <= 255.5 and stats.high > 1.5:
        evidence = f"8-bit: {seen}, no negative values; window unknown"
        return _as_eight_bit(values, stats, name), Intensity("uint8", "detected", evidence)
    if stats.low >= 0 and stats.high <= 1.0 and not stats.integral:
        evidence = f"fractions: {seen}, scaled by 255; window unknown"
        return _as_eight_bit(values, stats, name), Intensity("uint8", "detected", evidence)
    if stats.low < -200 and stats.air_hu >= 0.02 and stats.tissue_hu >= 0.02:
        evidence = (
            f"HU: {seen}, {stats.air_hu:.0%} of voxels at or below -700 (air), "
            f"{stats.tissue_hu:.0%} between -150 and 250 (tissue)"
        )
        return _as_hu(values), Intensity("hu", "detected", evidence)
    if stats.low >= -100 and stats.air_offset >= 0.02 and stats.tissue_offset >= 0.02:
        evidence = (
            f"HU + 1024: {seen}, air near 0 ({stats.air_offset:.0%}) and tissue near 1024 "
            f"({stats.tissue_offset:.0%}); 1024 subtracted"
        )
        shifted = values - 1024 if values.dtype == np.int16 else values.astype(np.float32) - 1024
        return _as_hu(shifted), Intensity("hu", "detected", evidence)
    raise IntensityError(
        f"{name} has {seen}, which fits neither HU (air {stats.air_hu:.1%}, tissue "
        f"{stats.tissue_hu:.1%}), nor HU + 1024, nor 8 bit",
        expected="a chest CT with air and soft tissue in one of these",
        remedy="Say what it is with --intensity hu, uint8 or window:LO,HI",
    )


def _statistics(values: np.ndarray, name: str) -> _Statistics:
    """Shares of air and tissue on at most a few hundred thousand voxels."""
    if values.size == 0:
        raise IntensityError(f"{name} is empty", expected="at least one voxel")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise IntensityError(
            f"{name} holds NaN or infinite values",
            expected="finite numbers",
            remedy="Repair the file (np.nan_to_num) and say what the values mean",
        )
    if low == high:
        raise IntensityError(
            f"{name} has the same value {low:g} everywhere",
            expected="an image",
            remedy="Check that the right series or file was given",
        )
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // 400_000)].astype(np.float32)

    def share(lo: float, hi: float) -> float:
        return float(np.mean((sample >= lo) & (sample <= hi)))

    return _Statistics(
        low=low,
        high=high,
        integral=bool(np.all(sample == np.rint(sample))),
        air_hu=share(-np.inf, -700),
        tissue_hu=share(-150, 250),
        air_offset=share(-np.inf, 324),
        tissue_offset=share(874, 1274),
    )


def _as_hu(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.int16:  # as readers of whole scans give it: no copy as floats
        return np.clip(values, AIR_HU, HIGHEST_HU)
    return np.clip(np.rint(values), AIR_HU, HIGHEST_HU).astype(np.int16)


def _as_eight_bit(values: np.ndarray, stats: _Statistics, name: str) -> np.ndarray:
    if stats.low < 0 or stats.high > 255.5:
        raise IntensityError(
            f"{name} has values {stats.low:g} to {stats.high:g}, which are not 8 bit",
            expected="0 to 255",
            remedy="Leave --intensity at auto",
        )
    scale = 255.0 if stats.high <= 1.0 and not stats.integral else 1.0
    return np.clip(np.rint(values.astype(np.float32) * scale), 0, 255).astype(np.uint8)
