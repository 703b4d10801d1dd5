"""Fig. 8 of CHS-Net: one slice max pooled and spectral pooled, with a measured error for each.

What it shows, on the slice that ships: the paper is right that spectral pooling keeps more of the
slice than max pooling, at every factor: max pooling brightens everything. It is not shown that the
spectrum is what helps: plain average pooling, which the paper does not compare, comes closer still
at 2, 8 and 16 when maps are drawn as blocks; spectral pooling is ahead of it where its map is read
back by the inverse DFT. At factor 2 it rings: at sharp edges it leaves the range of the slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.errors import InputError, MissingExtraError

FACTORS = (2, 8, 16, 64)
METHODS = ("max", "spectral", "average")


@dataclass(frozen=True)
class Pooled:
    """A pooled slice. `shown` (H, W) is the small `values` as blocks of the slice's size.

    `error` is the root mean square of `shown` minus the slice, over the slice's standard
    deviation: 0 is perfect, 1 no better than its mean. `beyond` is how far `values` leave the
    slice's range, as a share of that range.
    """

    method: str
    factor: int
    values: np.ndarray
    shown: np.ndarray
    error: float
    read_back: float | None
    beyond: float


def sample_slice() -> np.ndarray:
    """The slice with most lesion of the scan that ships; float32 (H, W), axial, 0 to 255."""
    from groundglass.io.read import read_mask, read_scan
    from groundglass.samples import COVID_REFERENCE, COVID_SCAN

    volume, order = read_scan(COVID_SCAN).to_axial()
    lesions = order.apply(read_mask(COVID_REFERENCE["lesions"])[0])
    index = int(np.argmax((lesions > 0).sum(axis=(1, 2))))
    return volume.array[index].astype(np.float32)


def pool_slice(image: np.ndarray, method: str, factor: int) -> Pooled:
    """Pool a slice (H, W) by one of `METHODS`; edges that do not divide make a smaller block.

    Raises: InputError where the slice is not two-dimensional, is constant, or is smaller than
    `factor`, or the method is none.
    """
    import torch
    from torch.nn.functional import avg_pool2d, max_pool2d

    from groundglass.networks.spectral_pool import SpectralPool2d, spectral_matrix

    plain = np.asarray(image, dtype=np.float32)
    if plain.ndim != 2 or min(plain.shape) < factor or not np.ptp(plain):
        raise InputError(
            f"slice has shape {plain.shape} and values {plain.min()} to {plain.max()}",
            expected=f"(H, W), both {factor} or more, and more than one value",
        )
    batch = torch.from_numpy(plain)[None, None]
    if method == "max":
        pooled = max_pool2d(batch, factor, ceil_mode=True)
    elif method == "spectral":
        pooled = SpectralPool2d(factor)(batch)
    elif method == "average":
        pooled = avg_pool2d(batch, factor, ceil_mode=True)
    else:
        raise InputError(f"pooling {method!r} is unknown", expected=", ".join(METHODS))
    values = pooled[0, 0].numpy()
    shown = as_blocks(values, plain.shape, on_first_pixel=method == "spectral")
    low, high = float(plain.min()), float(plain.max())
    beyond = max(0.0, low - float(values.min()), float(values.max()) - high) / (high - low)
    read_back = None
    if method == "spectral":
        rows, columns = (
            spectral_matrix(count, size)
            for count, size in zip(values.shape, plain.shape, strict=True)
        )
        read_back = _error(rows @ values @ columns.T, plain)
    return Pooled(method, factor, values, shown, _error(shown, plain), read_back, beyond)


def _error(restored: np.ndarray, plain: np.ndarray) -> float:
    return float(np.sqrt(np.mean((restored - plain) ** 2)) / plain.std())


def as_blocks(
    values: np.ndarray, shape: tuple[int, int], *, on_first_pixel: bool = False
) -> np.ndarray:
    """Nearest-neighbor upsampling of a pooled map to (H, W): each pixel takes the nearest value.

    Max and average pooling belong to the middle of their block. Spectral pooling samples the
    smoothed slice at the block's first pixel (`on_first_pixel`), periodically as the DFT is;
    drawn as if in the middle, it would be off by half a block and its error too high.
    """
    shift = 0.5 if on_first_pixel else 0.0
    rows, columns = (
        np.floor(np.arange(size) * count / size + shift).astype(np.intp) % count
        for size, count in zip(shape, values.shape, strict=True)
    )
    return values[np.ix_(rows, columns)]


def draw_pooling(
    destination: Path,
    image: np.ndarray | None = None,
    *,
    factors: Sequence[int] = FACTORS,
    name: str = "the sample slice",
) -> list[Pooled]:
    """Draw the slice, and below it max and spectral pooling by each factor, as one PNG.

    `image` (H, W) is any slice in gray levels, by default `sample_slice()`. Returns what was
    measured, average pooling included, which is named under the pictures but not drawn.
    Raises: InputError as `pool_slice`; MissingExtraError without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing the pooling figure") from error
    plain = sample_slice() if image is None else np.asarray(image, dtype=np.float32)
    found = [pool_slice(plain, method, factor) for method in METHODS for factor in factors]
    by_name = {(one.method, one.factor): one for one in found}
    low, high = float(plain.min()), float(plain.max())
    columns = len(factors) + 1
    figure = Figure(figsize=(2.35 * columns, 6.1), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    grid[0, 0].imshow(plain, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    grid[0, 0].set_title(f"{name}, {plain.shape[0]} x {plain.shape[1]}", fontsize=9)
    grid[1, 0].text(0.0, 1.0, _reading(), va="top", fontsize=8.5, transform=grid[1, 0].transAxes)
    for row, method in enumerate(("max", "spectral")):
        for axes, factor in zip(grid[row, 1:], factors, strict=True):
            one = by_name[method, factor]
            axes.imshow(one.shown, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set_title(f"{method}, {factor} x {factor}", fontsize=10)
            axes.set_xlabel(_caption(one, by_name["average", factor]), fontsize=8.5)
    partial = destination.with_name(f".{destination.name}.partial")
    figure.savefig(partial, format="png", dpi=120)
    partial.replace(destination)
    return found


def _caption(one: Pooled, average: Pooled) -> str:
    if one.read_back is None:
        return f"error {one.error:.2f}"
    return (
        f"error {one.error:.2f}; by inverse DFT {one.read_back:.2f}\n"
        f"out of range by {100 * one.beyond:.0f} %\n(average pooling: error {average.error:.2f})"
    )


def _reading() -> str:
    return (
        "error: root mean square\ndifference of the blocks\nshown from the slice, over\n"
        "the slice's deviation:\n0 perfect, 1 no better\nthan one gray.\n\n"
        "out of range: how far values\nleave the slice's range,\nin shares of it (ringing)."
    )
