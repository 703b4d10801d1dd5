"""Per-slice features of a frozen segmentation network: its fusion map, averaged to a small grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from groundglass.errors import SettingsError, WeightsError
from groundglass.ops.feature_pack import STORAGES, Storage
from groundglass.recipe import SliceRecipe
from groundglass.training.predict import BATCH
from groundglass.training.scan_inputs import ScanInputs


@dataclass(frozen=True)
class FeatureSettings:
    """What is kept of a fusion map.

    `grid`: cells (rows, columns) that the map is averaged to, each over its share of the input's
    height and width. `storage`: see `feature_pack`. With 64 channels on 32 x 32 a slice takes
    66,048 bytes in 8 bit (512 of them for the scales), so MosMedData's 45,000 or so take 3 GB, and
    131,072 in half precision. The rms of the rounding was 0.3 to 0.4 % of that of the features in
    8 bit and 0.02 % in half precision, with a TA-SegNet trained for 1,000 steps, on 24 slices of
    two scans; each file says its own.
    Raises: SettingsError where a value is out of its range.
    """

    grid: tuple[int, int] = (32, 32)
    storage: Storage = "uint8"
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", tuple(int(n) for n in self.grid))
        if len(self.grid) != 2 or min(self.grid) < 1:
            raise SettingsError(f"feature grid is {self.grid}", expected="two sizes of 1 or more")
        if self.storage not in STORAGES:
            raise SettingsError(
                f"feature storage is {self.storage!r}", expected=" or ".join(STORAGES)
            )


@runtime_checkable
class HasFusionMap(Protocol):
    """A network whose intermediate map of full size can be had: (N, 1, H, W) -> (N, C, H, W)."""

    def fusion_map(self, x: Tensor) -> Tensor: ...


class FusionFeatures:
    """A frozen network with its recipe, and what it gives for the slices of any prepared scan.

    Source: CovTANet, Algorithm 1: f_ij, by the intermediate part of the optimized TA-SegNet.
    Differs: the maps are averaged to a small grid, as 45,000 of 256 x 256 would take 750 GB; the
    regional feature extractor shrinks them anyhow.
    Raises: SettingsError where the network has no fusion map, or the grid exceeds its input.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: SliceRecipe,
        settings: FeatureSettings | None = None,
        *,
        device: str = "cpu",
    ) -> None:
        self.settings = settings or FeatureSettings()
        self.recipe = recipe
        if not isinstance(network, HasFusionMap):
            raise SettingsError(
                f"{type(network).__name__} has no fusion map",
                expected="a network with `fusion_map`, such as ta-segnet",
            )
        grid, size = self.settings.grid, recipe.network_size
        if grid[0] > size[0] or grid[1] > size[1]:
            raise SettingsError(
                f"feature grid is {grid}", expected=f"no more cells than the input's {size}"
            )
        self._network = network.to(device).eval()
        self._map = network.fusion_map
        self._device = torch.device(device)
        self.weights_sha256 = weights_sha256(network.state_dict())

    @property
    def record(self) -> dict[str, Any]:
        """Everything but the scan that the features depend on, for JSON.

        The device is not in it: what another one rounds differently is less than storing does.
        """
        return json.loads(
            json.dumps(
                {
                    "weights_sha256": self.weights_sha256,
                    "recipe": self.recipe.to_dict(),
                    **asdict(self.settings),
                }
            )
        )

    @property
    def key(self) -> str:
        """SHA-256 of the record, in hex."""
        text = json.dumps(self.record, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def batches(self, inputs: ScanInputs) -> Iterator[np.ndarray]:
        """Features of the inputs' slices in their order, a few at a time.

        Shape: (K, C, *grid) float32 each. Raises: WeightsError where they are not finite.
        """
        for start in range(0, inputs.picks.size, BATCH):
            features = self._features(inputs.batch(inputs.picks[start : start + BATCH]))
            if not np.isfinite(features).all():
                raise WeightsError(
                    f"the fusion map of scan {inputs.scan.row.scan_id} is not finite",
                    expected="finite features",
                    remedy="Train the network again; its weights are damaged or it diverged",
                )
            yield features

    @torch.inference_mode()
    def _features(self, batch: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last)
        mixed = self.settings.mixed_precision
        with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
            fused = self._map(x)
        return adaptive_avg_pool2d(fused.float(), self.settings.grid).cpu().numpy()


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of a state dict: names, types, shapes and bytes, whatever their order or device."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
