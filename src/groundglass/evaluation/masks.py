"""Two mask files, seen on one axial grid; or the reason why they cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.errors import GeometryError, InputError
from groundglass.geometry import (
    AxisOrder,
    axial_order,
    axis_spacing_mm,
    shear_degrees,
    slice_distance_mm,
    voxel_volume_ml,
)
from groundglass.io.read import read_labels
from groundglass.io.volume_files import RawVolume

_MOST_SHIFT_VOXELS = 0.5
_MOST_SHEAR_DEGREES = 1.0

Labels = tuple[str, ...]
"""Numbers or names; empty: everything above 0."""


@dataclass(frozen=True)
class MaskPair:
    """Prediction and reference, bool (D, H, W), D to the head, H to the back, W to the left.

    `affine` is the reference's. `spacing_mm` is None where it was not measured, and
    `no_spacing_because` says why; likewise `no_surface_because` for distances. `file_axis` is
    the axis of the file (i, j or k) that the slices are cut along, `file_slices[d]` the index.
    """

    prediction: np.ndarray
    reference: np.ndarray
    affine: np.ndarray
    spacing_mm: tuple[float, float, float] | None
    no_spacing_because: str
    no_surface_because: str
    file_axis: str
    file_slices: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel, None where the spacing is not real."""
        return voxel_volume_ml(self.affine) if self.spacing_mm else None


@dataclass(frozen=True)
class _Mask:
    """Several files of one case are joined."""

    name: str
    mask: np.ndarray
    raw: RawVolume
    notes: tuple[str, ...]


@dataclass(frozen=True)
class MaskRules:
    """Which labels count, and how far headers are believed.

    `spacing_is_nominal`: no header's spacing was measured. `ignore_affine`: compare voxel by
    voxel in file order, with the reference's affine for both.
    """

    labels: Labels = ()
    reference_labels: Labels = ()
    spacing_is_nominal: bool = False
    ignore_affine: bool = False


def read_pair(prediction: Sequence[Path], reference: Sequence[Path], rules: MaskRules) -> MaskPair:
    """Read both, turn both to axial order by their own affines, check that grids are one.

    No `prediction` stands for one that is missing: an empty mask. Nothing is ever resampled.
    Raises: GeometryError where shapes differ or the grids lie more than half a voxel apart;
    InputError for files or labels that cannot be used.
    """
    true = _read(reference, rules.reference_labels or rules.labels)
    made = _read(prediction, rules.labels) if prediction else None
    order = axial_order(true.raw.affine)
    if made is not None:
        _check_grids(made, true, rules)
    if made is None:
        predicted = np.zeros(true.mask.shape, dtype=bool)
    elif rules.ignore_affine:
        predicted = made.mask
    else:
        predicted = order.undo(axial_order(made.raw.affine).apply(made.mask))
    affine = order.apply_to_affine(true.raw.affine, true.mask.shape)
    why = _not_real([true] if made is None else [made, true], rules)
    spacing = None if why else (slice_distance_mm(affine), *axis_spacing_mm(affine)[1:])
    return MaskPair(
        prediction=np.ascontiguousarray(order.apply(predicted)),
        reference=np.ascontiguousarray(order.apply(true.mask)),
        affine=affine,
        spacing_mm=spacing,
        no_spacing_because=why,
        no_surface_because=why or _not_orthogonal(affine),
        file_axis="kji"[order.source[0]],
        file_slices=_file_slices(order, true.mask.shape),
        notes=(() if made is None else made.notes) + true.notes,
    )


def _file_slices(order: AxisOrder, shape: tuple[int, ...]) -> tuple[int, ...]:
    count = shape[order.source[0]]
    return tuple(range(count)[:: -1 if order.flipped[0] else 1])


def _read(paths: Sequence[Path], labels: Labels) -> _Mask:
    whole: _Mask | None = None
    for path in paths:
        raw = read_labels(path)
        mask, note = _chosen(raw, path, labels)
        notes = tuple(f"{path.name}: {found.message}" for found in raw.findings)
        notes += (f"{path.name}: {note}",) if note else ()
        one = _Mask(path.name, mask, raw, notes)
        if whole is None:
            whole = one
            continue
        if one.mask.shape != whole.mask.shape or _shift_voxels(raw, whole.raw) > 0.01:
            raise GeometryError(
                f"{path.name} and {whole.name} have different grids",
                expected="files of one case on one grid",
            )
        whole = _Mask(whole.name, whole.mask | mask, whole.raw, whole.notes + notes)
    if whole is None:
        raise InputError("there is no mask to read", expected="one file or more")
    return whole


def _chosen(raw: RawVolume, path: Path, labels: Labels) -> tuple[np.ndarray, str]:
    """The voxels that count, and a remark where several labels were joined unasked."""
    if labels:
        numbers = sorted({n for label in labels for n in _numbers(label, path, raw)})
        return np.isin(raw.array, numbers), ""
    found = np.unique(raw.array)
    found = found[found != 0]
    note = ""
    if found.size > 1:
        note = f"has the labels {_listed(found)}, and all of them count; --label chooses"
    return raw.array > 0, note


def _listed(found: np.ndarray) -> str:
    shown = ", ".join(str(int(value)) for value in found[:8])
    return shown + (f" ... ({found.size} in all)" if found.size > 8 else "")


def _numbers(label: str, path: Path, raw: RawVolume) -> list[int]:
    if label.lstrip("-").isdigit():
        return [int(label)]
    names = label_names(path, raw.header)
    if label not in names:
        raise InputError(
            f"label {label!r} of {path.name} is unknown",
            expected=f"one of {', '.join(sorted(names))}" if names else "a number",
            remedy="Give its number, or a labels.json or dataset.json beside the masks",
        )
    return names[label]


def label_names(path: Path, header: dict[str, Any]) -> dict[str, list[int]]:
    """Label names of a mask: from a NRRD of 3D Slicer, our labels.json, nnU-Net's dataset.json."""
    names: dict[str, list[int]] = {}
    nrrd = header.get("nrrd_header", {})
    for key, value in nrrd.items():
        if key.startswith("Segment") and key.endswith("_Name"):
            number = nrrd.get(f"{key.removesuffix('_Name')}_LabelValue")
            if number is not None:
                names[str(value)] = [int(number)]
    for sidecar in (path.with_name("labels.json"), path.with_name("dataset.json"),
                    path.parent.with_name("dataset.json")):  # fmt: skip
        if names or not sidecar.is_file():
            continue
        try:
            content = json.loads(sidecar.read_text(encoding="utf-8"))
            table = content["labels"] if sidecar.name == "dataset.json" else content[path.name]
            names = dict(_named(key, value) for key, value in table.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return names


def _named(key: str, value: Any) -> tuple[str, list[int]]:
    """nnU-Net's first version has {"1": "lung"}, its second {"lung": 1} or {"lung": [1, 2]}."""
    if isinstance(value, str):
        return value, [int(key)]
    return key, [int(one) for one in value] if isinstance(value, list) else [int(value)]


def _check_grids(made: _Mask, true: _Mask, rules: MaskRules) -> None:
    if rules.ignore_affine:
        shapes = made.mask.shape, true.mask.shape
    else:
        shapes = tuple(axial_order(m.raw.affine).apply(m.mask).shape for m in (made, true))
    if shapes[0] != shapes[1]:
        raise GeometryError(
            f"{made.name} has {_grid(made, shapes[0])}, its reference {true.name} "
            f"{_grid(true, shapes[1])}",
            expected="one grid",
            remedy="Write the prediction on the reference's grid (nearest neighbor for masks)",
        )
    shift = 0.0 if rules.ignore_affine else _shift_voxels(made.raw, true.raw)
    if shift > _MOST_SHIFT_VOXELS:
        raise GeometryError(
            f"{made.name} lies up to {shift:.2f} voxels away from its reference {true.name} "
            f"(spacing {_steps(made)} and {_steps(true)} mm, first voxel at {_origin(made)} and "
            f"{_origin(true)} mm LPS)",
            expected=f"affines that agree to {_MOST_SHIFT_VOXELS} voxels",
            remedy="Save the prediction with the reference's affine, or, where its header is "
            "wrong and its voxels are in the same order, give --ignore-affine",
        )


def _grid(one: _Mask, shape: tuple[int, ...]) -> str:
    return f"{' x '.join(map(str, shape))} voxels (slices, rows, columns) of {_steps(one)} mm"


def _steps(one: _Mask) -> str:
    affine = axial_order(one.raw.affine).apply_to_affine(one.raw.affine, one.mask.shape)
    return " x ".join(f"{step:.4g}" for step in axis_spacing_mm(affine))


def _origin(one: _Mask) -> str:
    """Where the first voxel of the axial order lies."""
    affine = axial_order(one.raw.affine).apply_to_affine(one.raw.affine, one.mask.shape)
    return "(" + ", ".join(f"{value:.1f}" for value in affine[:3, 3]) + ")"


def _shift_voxels(made: RawVolume, true: RawVolume) -> float:
    """Largest distance between the two grids' corners, in voxels of the second, per axis."""
    first, second = (
        axial_order(raw.affine).apply_to_affine(raw.affine, raw.array.shape) for raw in (made, true)
    )
    shape = axial_order(true.affine).apply(true.array).shape
    corners = np.array([(*c, 1) for c in product(*((0, size - 1) for size in shape))], float).T
    return float(np.abs(np.linalg.solve(second, first @ corners) - corners)[:3].max())


def _not_real(masks: Sequence[_Mask], rules: MaskRules) -> str:
    """Why the spacing is no measure, or ''."""
    if rules.spacing_is_nominal:
        return "the spacing was said to be nominal"
    for one in masks[-1:] if rules.ignore_affine else masks:
        if not one.raw.spacing_is_real:
            return f"{one.name} has no spacing"
        if _is_identity(one.raw.affine):
            return (
                f"{one.name} has the identity as its affine, which is what is written where "
                "nothing is known"
            )
    return ""


def _is_identity(affine: np.ndarray) -> bool:
    """Steps of 1 mm from the origin 0, whatever the signs: nobody's scanner did that."""
    return bool(np.allclose(affine[:3, 3], 0) and np.allclose(np.sort(np.abs(affine[:3, :3]), 0),
                np.sort(np.eye(3), 0)))  # fmt: skip


def _not_orthogonal(affine: np.ndarray) -> str:
    tilt = shear_degrees(affine)
    if tilt > _MOST_SHEAR_DEGREES:
        return f"the slices are tilted by {tilt:.1f} degrees, and distances need right angles"
    return ""
