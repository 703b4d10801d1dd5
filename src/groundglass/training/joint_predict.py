"""What a classifier says of whole scans: two logits, and the slices they were read from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from groundglass.errors import WeightsError
from groundglass.networks.covtanet import VolumeClassifier
from groundglass.training.checkpoint import load_result
from groundglass.training.joint_network import joint_network
from groundglass.training.joint_settings import JointSettings
from groundglass.training.slice_sources import ALL_SLICES, SliceSource


@dataclass(frozen=True, eq=False)
class ScanPrediction:
    """Logits of one scan, and the share that each slice had in either.

    `severity` means nothing where the diagnosis is normal. Weights sum to one; they say how much of
    a slice went into the answer, not that it is why (`networks.volumetric_fusion.SlicePool`).
    Shape: `slices`, the indices in the scan, and both weights (K,).
    """

    scan_id: str
    diagnosis: float
    severity: float
    slices: np.ndarray
    diagnosis_weights: np.ndarray
    severity_weights: np.ndarray

    @property
    def findings_probability(self) -> float:
        """Of findings, against normal; as high as the classifier says, not calibrated."""
        return float(expit(self.diagnosis))

    @property
    def severe_probability(self) -> float:
        """Of severe, against mild; not calibrated."""
        return float(expit(self.severity))


class JointPredictor:
    """A classifier in evaluation mode with the source of its slices."""

    def __init__(
        self,
        network: VolumeClassifier,
        source: SliceSource,
        *,
        device: str = "cpu",
        mixed_precision: bool = False,
    ) -> None:
        self._network = network.to(device).eval()
        self._source = source
        self._device = torch.device(device)
        self._mixed = mixed_precision

    @classmethod
    def of_run(cls, folder: Path, source: SliceSource, *, device: str = "cpu") -> JointPredictor:
        """The classifier of a run folder, in float32. Raises: WeightsError where it is none."""
        state = load_result(folder)
        settings = JointSettings.model_validate(state.settings)
        network = joint_network(settings)
        network.load_state_dict(state.average)
        return cls(network, source, device=device)

    @torch.inference_mode()
    def predict(self, scan_id: str, *, most: int = ALL_SLICES) -> ScanPrediction:
        """From all slices of the lungs' extent, or at most `most`, evenly spaced.

        The classifier's distances between slices are counted in slices: scans of far thinner ones
        than it was trained on are better thinned by `most`.
        Raises: WeightsError where a logit is not finite; DatasetError as the source.
        """
        found = self._source.read(scan_id, most=most)
        x = torch.from_numpy(np.ascontiguousarray(found.values))[None].to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._mixed):
            said = self._network(x)
        diagnosis, severity = float(said.diagnosis[0]), float(said.severity[0])
        if not math.isfinite(diagnosis + severity):
            raise WeightsError(
                f"the logits of scan {scan_id} are {diagnosis} and {severity}",
                expected="finite ones",
                remedy="Train the network again; it diverged",
            )
        weights = [
            w[0].float().cpu().numpy() for w in (said.diagnosis_weights, said.severity_weights)
        ]
        return ScanPrediction(scan_id, diagnosis, severity, found.slices, *weights)
