"""A learned classifier on a whole scan: the slices that training showed, both answers, why not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import expit

from groundglass.classification import HeadAnswer, ScanClassification
from groundglass.errors import InputError, NoLungError, WeightsError
from groundglass.metrics.familiarity import Familiar, LungLook, PooledFeatures
from groundglass.ops.dark_slices import dark_slices
from groundglass.ops.feature_pack import Packed, pack_features, unpack_features
from groundglass.ops.frames import frame_images, frame_masks, frame_of
from groundglass.ops.slice_choice import choose_slices
from groundglass.ops.slice_image import Frame
from groundglass.ops.slice_inputs import SliceInputs
from groundglass.predictor.classifier_engine import load_classifier_engine
from groundglass.predictor.engine import choose_engine
from groundglass.predictor.familiar_scan import ShownScan, reasons_to_abstain
from groundglass.predictor.grad_cam import GradCam, load_grad_cam
from groundglass.volume import Volume
from groundglass.weights.classifier_manifest import HeadPart
from groundglass.weights.store import ClassifierWeights

BATCH = 4
"""Slices per call, as in the cascade."""

MAPPED_SLICES = 6
"""Slices with the greatest weights of each head that get a map of regions."""

ABSTAINED = "no maps of regions are made where the classifier abstains"
NO_TORCH = "maps of regions need torch: pip install 'groundglass[train]'"


class ScanClassifier:
    """A classifier of whole scans, loaded once for any number of them.

    It shows its networks what training showed: the slices of the axial scan in frames, dark ones
    left out, at most as many as in training, evenly spaced over the lungs' extent, their features
    rounded as they were stored. One thing differs: that extent is here the one of the lungs that
    our segmentation finds, where training had those of its index (`manifest.lungs_by`).
    `engine`: auto, onnx, openvino, or torch, which `device` cuda needs. Maps of regions are made
    by torch on the CPU whatever the engine is, where it is installed.
    Raises: WeightsError where a file is missing or damaged; SettingsError as `choose_engine`;
    MissingExtraError without the package of an engine.
    """

    def __init__(
        self, weights: ClassifierWeights, *, engine: str = "onnx", device: str = "cpu"
    ) -> None:
        self.weights = weights
        self.engine, self.device = choose_engine(engine, device)
        self._engine = load_classifier_engine(weights, engine=self.engine, device=self.device)
        self._familiar = Familiar.from_bytes(weights.path("known").read_bytes())
        self._grad_cam: GradCam | None = load_grad_cam(weights)
        self._recipe = weights.manifest.segmenter.slice_recipe()

    def classify(self, volume: Volume, lungs: np.ndarray) -> ScanClassification:
        """Both answers on one scan; `abstained` says why they must not be used, if so.

        `lungs`: the mask on the scan's own grid, in its own axis order, above 0 where lung is.
        Where it abstains it makes no maps of regions.
        Raises: InputError where the mask lies on another grid; NoLungError where it is empty;
        WeightsError where an answer is not finite.
        """
        if lungs.shape != volume.shape:
            raise InputError(
                f"the lung mask has shape {lungs.shape}", expected=f"the scan's {volume.shape}"
            )
        if not lungs.any():
            raise NoLungError(
                f"scan {volume.source.scan_id!r} has no lung to classify",
                expected="a mask of the lungs with voxels in it",
            )
        axial, order = volume.to_axial()
        shown = self._prepare(axial, np.asarray(order.apply(lungs)) > 0)
        stored, encoded, pooled = self._encode(shown)
        said = self._engine.judge(encoded)
        if not math.isfinite(said.diagnosis + said.severity):
            raise WeightsError(
                f"the logits of scan {volume.source.scan_id!r} are {said.diagnosis} and "
                f"{said.severity}",
                expected="finite ones",
                remedy="Train the classifier again; it diverged",
            )
        manifest = self.weights.manifest
        look = LungLook.of(shown.inputs.frames[shown.picks], shown.inputs.mask[shown.picks])
        scan = ShownScan(axial, shown.lungs, shown.slices, pooled, look)
        abstained = reasons_to_abstain(manifest, self._familiar, scan)
        regions, missing = ({}, {}), ABSTAINED if abstained else NO_TORCH
        if self._grad_cam is not None and not abstained:
            maps = self._grad_cam.maps(map(unpack_features, stored))
            regions = (
                shown.regions(maps.diagnosis, said.diagnosis_weights),
                shown.regions(maps.severity, said.severity_weights),
            )
            missing = ""
        return ScanClassification(
            name=manifest.name,
            version=manifest.version,
            license=manifest.license,
            trained_on="; ".join(manifest.training_data),
            slices=shown.slices,
            diagnosis=_answer(
                manifest.diagnosis, said.diagnosis, said.diagnosis_weights, regions[0]
            ),
            severity=_answer(manifest.severity, said.severity, said.severity_weights, regions[1]),
            abstained=abstained,
            regions_missing=missing,
        )

    def _prepare(self, axial: Volume, lungs: np.ndarray) -> _Shown:
        """The steps of `groundglass prepare`, then the choice of slices."""
        kept = np.flatnonzero(~dark_slices(axial.array, axial.intensity) | lungs.any(axis=(1, 2)))
        frame = frame_of(axial, self._recipe.frame_size)
        masks = frame_masks(lungs[kept], frame)
        frames = frame_images(axial.array[kept], frame)
        inputs = SliceInputs.of(frames, axial.intensity, self._recipe, lungs=masks)
        if not inputs.picks.size:
            raise NoLungError("no slice shows lung in its frame", expected="a larger lung")
        has_lung = np.asarray(masks[inputs.picks].any(axis=(1, 2)))
        picks = inputs.picks[choose_slices(has_lung, self.weights.manifest.classifier.slices)]
        return _Shown(frame, inputs, picks, kept[picks], lungs)

    def _encode(self, shown: _Shown) -> tuple[list[Packed], np.ndarray, np.ndarray]:
        """Features as training stored them, in parts; F_reg and pooled features of all slices."""
        storage = self.weights.manifest.segmenter.storage
        pooled, stored, encoded = PooledFeatures(), [], []
        for start in range(0, shown.picks.size, BATCH):
            images = shown.inputs.batch(shown.picks[start : start + BATCH])
            stored.append(pack_features(self._engine.features(images), storage))
            part = unpack_features(stored[-1])
            pooled.add(part)
            encoded.append(self._engine.encode(part))
        return stored, np.concatenate(encoded), pooled.vector


@dataclass(frozen=True, eq=False)
class _Shown:
    """The slices shown: `picks` (K,) of the frames, `slices` (K,) along D of the axial scan.

    Shape: `lungs` (D, H, W) bool.
    """

    frame: Frame
    inputs: SliceInputs
    picks: np.ndarray
    slices: np.ndarray
    lungs: np.ndarray

    def regions(self, maps: np.ndarray, weights: np.ndarray) -> dict[int, np.ndarray]:
        """Maps (K, h, w) of the slices with the greatest weights, on the axial scan's grid."""
        most = np.sort(np.argsort(-weights, kind="stable")[:MAPPED_SLICES])
        return {int(self.slices[k]): self._to_grid(maps[k]) for k in most}

    def _to_grid(self, found: np.ndarray) -> np.ndarray:
        """A map over what the network saw of a slice -> (H, W) float32, 0 to 1."""
        edge = self.inputs.recipe.frame_size
        box = self.inputs.box
        if box is None:
            framed = cv2.resize(found, (edge, edge), interpolation=cv2.INTER_LINEAR)
        else:
            size = box.size[1], box.size[0]
            framed = box.paste(cv2.resize(found, size, interpolation=cv2.INTER_LINEAR), edge)
        height, width = self.lungs.shape[1:]
        return np.clip(self.frame.remove(framed, (height, width)), 0.0, 1.0)


def _answer(
    head: HeadPart, logit: float, weights: np.ndarray, regions: dict[int, np.ndarray]
) -> HeadAnswer:
    return HeadAnswer(
        logit=logit,
        probability=float(expit(logit / head.temperature)),
        is_calibrated=head.is_calibrated,
        threshold=head.threshold,
        threshold_rule=head.threshold_rule,
        slice_weights=np.asarray(weights, dtype=np.float32),
        regions=regions,
    )
