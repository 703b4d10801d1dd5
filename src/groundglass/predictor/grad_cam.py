"""Grad-CAM of a classifier of whole scans: which places of a slice raise an answer's logit.

torch is imported by `load_grad_cam` alone: analysis without it has no maps of regions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from groundglass.predictor.classifier_engine import load_classifier_network
from groundglass.weights.store import ClassifierWeights


@dataclass(frozen=True, eq=False)
class RegionMaps:
    """Maps of all slices for either answer, 0 to 1 over all slices. Shape: (K, h, w) float32."""

    diagnosis: np.ndarray
    severity: np.ndarray


def load_grad_cam(weights: ClassifierWeights) -> GradCam | None:
    """None where torch or safetensors (extra `train`) are not installed. Raises: WeightsError."""
    try:
        network = load_classifier_network(weights)
    except ImportError:
        return None
    return GradCam(network)


class GradCam:
    """Grad-CAM on the last maps of the regional feature extractor.

    A channel of a slice counts as the average, over its places, of the logit's slope there; the map
    is the channels' weighted sum where it is above zero. Slopes run through the head, so what a
    slice's neighbors say of it counts too. One scale for all slices of a head: 1 is the strongest
    place of any. A map with nothing above zero stays zero. It says where a change would raise the
    logit, which is no proof of a cause, and it is as coarse as those maps.
    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, Eq. 1 and 2.
    Differs: maps are per slice, their slopes from the one logit of the scan.
    `network`: a `networks.covtanet.VolumeClassifier` whose encoder has `maps`.
    """

    def __init__(self, network: Any) -> None:
        self._network = network.eval()

    def maps(self, features: Iterable[np.ndarray]) -> RegionMaps:
        """Of all slices that were shown, in parts. Shape: each (N, C, *grid) float32."""
        import torch

        from groundglass.networks.regional_features import to_regions

        with torch.no_grad():
            last = torch.cat(
                [self._network.encoder.maps(torch.from_numpy(part)) for part in features]
            )
        found = []
        with torch.enable_grad():
            last.requires_grad_(True)
            mask = torch.ones((1, len(last)), dtype=torch.bool)
            said = self._network.head(to_regions(last)[None], mask)
            for logit in (said.diagnosis, said.severity):
                (slope,) = torch.autograd.grad(logit.sum(), last, retain_graph=True)
                weight = slope.mean(dim=(2, 3), keepdim=True)
                found.append(torch.relu((weight * last).sum(dim=1)).detach().numpy())
        return RegionMaps(*map(_to_one, found))


def _to_one(maps: np.ndarray) -> np.ndarray:
    most = float(maps.max(initial=0.0))
    return maps / np.float32(most) if most > 0 else maps
