"""One scan through the shipped cascade, as a user gets it, against its reference masks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.datasets.covid19_ct_seg import GROUPS, IMAGES, INFECTIONS, LUNGS
from groundglass.errors import InputError, NoLungError
from groundglass.intensity import IntensityChoice
from groundglass.io.read import read_mask, read_scan
from groundglass.metrics.aggregate import CaseScore, score_case
from groundglass.predictor.cascade import Cascade, Segmentation
from groundglass.volume import Volume

HEALTHY_BLOCKS = 8
"""Blocks of slices into which `groundglass prepare healthy-scan` cuts a scan by default."""


@dataclass(frozen=True)
class CaseResult:
    """One case's lungs and lesions, slice by slice in axial order.

    `failure` is the error's text where the cascade refused the scan; its masks count as empty.
    """

    case_id: str
    lungs: CaseScore
    lesions: CaseScore
    seconds: float
    failure: str = ""
    notes: tuple[str, ...] = field(default=())


def find_case(data: Path, case_id: str) -> tuple[Path, Path, Path]:
    """Image, lung mask and infection mask of a case in the official layout under `data`.

    Raises: InputError where one is missing.
    """
    root = data / "covid19-ct-seg"
    paths = tuple(root / folder / f"{case_id}.nii.gz" for folder in (IMAGES, LUNGS, INFECTIONS))
    missing = [str(path.relative_to(data)) for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"case {case_id!r} lacks {', '.join(missing)}",
            expected=f"the 20-case set in its official layout at {root}",
            remedy="Name its place with --data",
        )
    return paths[0], paths[1], paths[2]


def all_cases(data: Path) -> list[str]:
    """Every case there is under `data`, sorted."""
    folder = data / "covid19-ct-seg" / IMAGES
    return sorted(path.name.removesuffix(".nii.gz") for path in folder.glob("*.nii.gz"))


def evaluate_case(cascade: Cascade, data: Path, case_id: str) -> CaseResult:
    """Segment one case of the 20-case set and compare it with its reference masks.

    Lungs are compared with both sides merged. Raises: InputError where a mask does not fit.
    """
    image, lungs, infection = find_case(data, case_id)
    volume = read_scan(image)
    began = time.perf_counter()
    segmentation, failure = segment(cascade, volume)
    seconds = time.perf_counter() - began
    group = GROUPS.get(case_id, case_id)
    scores = [
        score_case(
            case_id,
            axial(volume, predicted > 0),
            axial(volume, mask_on(volume, path) > 0),
            group=group,
        )
        for predicted, path in (
            (segmentation.lungs, lungs),
            (segmentation.lesions, infection),
        )
    ]
    return CaseResult(case_id, scores[0], scores[1], seconds, failure, segmentation.notes)


def segment(cascade: Cascade, volume: Volume) -> tuple[Segmentation, str]:
    """What the cascade says of a scan; empty masks and the reason where it finds no lung."""
    try:
        return cascade.segment(volume), ""
    except NoLungError as error:
        empty = np.zeros(volume.shape, np.uint8)
        return Segmentation(empty, empty, empty, (), {}, False), str(error)


def mask_on(volume: Volume, path: Path) -> np.ndarray:
    """A reference's labels. Raises: InputError where it is not on the scan's grid."""
    labels, affine = read_mask(path)
    fits = labels.shape == volume.shape and np.allclose(affine, volume.affine, atol=1e-2)
    if not fits:
        raise InputError(
            f"{path.name} has shape {labels.shape} and the scan {volume.shape}",
            expected="one grid, the affines equal too",
        )
    return labels


def axial(volume: Volume, array: np.ndarray) -> np.ndarray:
    """An array on the scan's grid with its slices along the first axis."""
    return volume.to_axial()[1].apply(array)


def false_lesions(volume: Volume, segmentation: Segmentation) -> dict[str, Any]:
    """Share of the lungs called lesion in a scan without lesions, in all and in held-out blocks.

    The scan is cut into blocks as for training; every other one ('b') was held out.
    """
    lungs = axial(volume, segmentation.lungs) > 0
    lesions = axial(volume, segmentation.lesions) > 0
    block = np.arange(len(lungs)) * HEALTHY_BLOCKS // len(lungs)
    parts = {"all": block >= 0, "held-out blocks (b)": block % 2 == 1,
             "training blocks (a)": block % 2 == 0}  # fmt: skip
    out = {}
    for name, chosen in parts.items():
        called, lung = int(lesions[chosen].sum()), int(lungs[chosen].sum())
        out[name] = {
            "slices": int(chosen.sum()),
            "lung_voxels": lung,
            "lesion_voxels": called,
            "percent_of_lungs": 100 * called / lung if lung else None,
        }
    return out


def evaluate_healthy(cascade: Cascade, path: Path) -> dict[str, Any]:
    """A scan without lesions: what is called lesion, and its lungs against a threshold's."""
    from groundglass.ops.threshold_lungs import threshold_lungs

    volume = read_scan(path)
    segmentation, failure = segment(cascade, volume)
    out: dict[str, Any] = {"failure": failure, "false_lesions": false_lesions(volume, segmentation)}
    if volume.is_hu:
        whole = volume.to_axial()[0]
        found = threshold_lungs(np.ascontiguousarray(whole.array), whole.spacing_mm)
        score = score_case("healthy", axial(volume, segmentation.lungs) > 0, found)
        out["lungs_dice_against_threshold"] = score.total.dice
    return out


def evaluate_cip(cascade: Cascade, scan: Path, masks: Path) -> dict[str, Any]:
    """The small CIP scan: lungs against its whole-lung mask, sides against its region codes.

    Nothing is known about lesions in it: the share is what is called, right or wrong.
    """
    volume = read_scan(scan)
    segmentation, failure = segment(cascade, volume)
    whole = mask_on(volume, masks / "wholeLung-64.nrrd") > 0
    # The low byte is the region: 9, 10, 11 thirds of the left lung, 12, 13, 14 of the right.
    region = mask_on(volume, masks / "lm-64.nrrd") & 255
    lungs = segmentation.lungs
    pairs = {
        "both": (lungs > 0, whole),
        "right": (lungs == 1, (region >= 12) & (region <= 14)),
        "left": (lungs == 2, (region >= 9) & (region <= 11)),
    }
    scores = {
        name: score_case(name, axial(volume, a), axial(volume, b)) for name, (a, b) in pairs.items()
    }
    crossed = ((lungs == 1) & pairs["left"][1]) | ((lungs == 2) & pairs["right"][1])
    return {
        "failure": failure,
        "dice": {name: score.total.dice for name, score in scores.items()},
        "precision": {name: score.total.precision for name, score in scores.items()},
        "recall": {name: score.total.recall for name, score in scores.items()},
        "voxels_on_the_wrong_side": int(crossed.sum()),
        "called_lesion_percent": _percent(segmentation),
    }


def evaluate_intensities(cascade: Cascade, path: Path, place: Path) -> list[dict[str, Any]]:
    """One scan in HU, told again in other domains through files, as users would save it.

    Each variant's lungs and lesions against those from HU. `place`: a folder for the files.
    """
    volume = read_scan(path)
    plain, _ = segment(cascade, volume)
    rows = []
    for name, values, choice in _variants(volume):
        if values is None:
            found, failure, domain = plain, "", volume.intensity.domain
        else:
            file = place / "variant.nii"
            _write_nifti(values, volume, file)
            told = read_scan(file, intensity=IntensityChoice.parse(choice))
            found, failure = segment(cascade, told)
            domain = told.intensity.domain
        lungs = score_case(name, found.lungs > 0, plain.lungs > 0).total
        lesions = score_case(name, found.lesions, plain.lesions).total
        rows.append(
            {
                "variant": name,
                "intensity": choice,
                "taken_as": domain,
                "failure": failure,
                "equalized_already": found.was_equalized,
                "lungs_dice_against_hu": lungs.dice,
                "lesions_dice_against_hu": lesions.dice,
                "called_lesion_percent": _percent(found),
            }
        )
    return rows


def _variants(volume: Volume) -> list[tuple[str, np.ndarray | None, str]]:
    """(name, values or None for the scan as it is, --intensity)."""
    hu = volume.array
    lung_window, wide_window = _eight_bit(hu, -1350, 150), _eight_bit(hu, -1024, 1024)
    return [
        ("HU, as it is", None, "auto"),
        ("HU + 1024", (hu + np.int16(1024)).astype(np.int16), "auto"),
        ("8 bit, lung window -1350..150", lung_window, "auto"),
        ("8 bit, lung window -1350..150", lung_window, "window:-1350,150"),
        ("8 bit, wide window -1024..1024", wide_window, "auto"),
    ]


def _eight_bit(hu: np.ndarray, low: int, high: int) -> np.ndarray:
    """HU (D, H, W) -> uint8, slice by slice."""
    levels = np.rint(np.clip((np.arange(-1024, 3072) - low) / (high - low) * 255, 0, 255))
    table = levels.astype(np.uint8)
    return np.stack([table[one.astype(np.int32) + 1024] for one in hu])


def _write_nifti(values: np.ndarray, volume: Volume, path: Path) -> None:
    import nibabel

    from groundglass.geometry import LPS_FROM_RAS, reversed_axes_affine

    affine = LPS_FROM_RAS @ reversed_axes_affine(volume.affine)
    nibabel.save(nibabel.Nifti1Image(values.T, affine), path)


def _percent(segmentation: Segmentation) -> float | None:
    lungs = int((segmentation.lungs > 0).sum())
    return 100 * int(segmentation.lesions.sum()) / lungs if lungs else None
