"""A network's answer on prepared scans: probabilities on the frames' grid, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn

from groundglass.datasets.index import PreparedScan
from groundglass.metrics.aggregate import CaseScore
from groundglass.metrics.overlap import slice_confusions
from groundglass.recipe import SliceRecipe
from groundglass.training.scan_inputs import ScanInputs

BATCH = 8


class ScanPredictor:
    """A network in evaluation mode with its recipe, for any number of prepared scans.

    The same steps as the product's cascade takes, without its clean-up: what the network alone
    says is what an architecture is judged by.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: SliceRecipe,
        *,
        device: str = "cpu",
        mixed_precision: bool = False,
    ) -> None:
        self._network = network.to(device).eval()
        self._recipe = recipe
        self._device = torch.device(device)
        self._mixed = mixed_precision

    def probability(
        self,
        scan: PreparedScan,
        lungs: np.ndarray | None = None,
        *,
        slices: np.ndarray | None = None,
        flips: bool = False,
    ) -> np.ndarray:
        """Probability 0..1 on the scan's frames; 0 on slices that were not looked at.

        `lungs` (D, S, S) 0/1: what the lesion stage is shown; left out, the reference lungs.
        `slices`: which ones to look at; left out, all (for lesions, all with lung). `flips`:
        average with the mirrored slice. Shape: (D, S, S) float32.
        """
        depth, edge, _ = scan.image.shape
        out = np.zeros((depth, edge, edge), np.float32)
        inputs = ScanInputs.of(scan, self._recipe, lungs=lungs, slices=slices)
        for start in range(0, inputs.picks.size, BATCH):
            chosen = inputs.picks[start : start + BATCH]
            batch = inputs.batch(chosen)
            chance = self._sigmoid(batch)
            if flips:
                mirrored = self._sigmoid(np.ascontiguousarray(batch[..., ::-1]))
                chance = (chance + mirrored[..., ::-1]) / 2
            for d, one in zip(chosen, chance, strict=True):
                one = np.ascontiguousarray(one)
                if inputs.box is None:
                    out[d] = cv2.resize(one, (edge, edge), interpolation=cv2.INTER_LINEAR)
                else:
                    out[d] = inputs.box.paste(one, edge) * inputs.mask[d]
        return out

    @torch.inference_mode()
    def _sigmoid(self, batch: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._mixed):
            logits = self._network(x)
        return torch.sigmoid(logits.float())[:, 0].cpu().numpy()


def score_scan(
    scan: PreparedScan, probability: np.ndarray, recipe: SliceRecipe, *, case_id: str = ""
) -> CaseScore:
    """Compare a probability with the scan's reference of the recipe's stage, slice by slice.

    Shape: `probability` (D, S, S).
    """
    reference = scan.lungs if recipe.stage == "lungs" else scan.lesions
    pairs = slice_confusions(probability >= recipe.threshold, reference > 0)
    return CaseScore(case_id or scan.row.scan_id, pairs, scan.row.group)


def pooled_dice(
    predictor: ScanPredictor, scans: Sequence[PreparedScan], recipe: SliceRecipe, stride: int
) -> float:
    """Dice over all pixels of every `stride`-th slice of the scans; 0 where none has a reference.

    The lesion stage is shown the reference lungs. For early stopping, never for a table.
    """
    overlap = total = 0
    for scan in scans:
        thin = scan.take(np.arange(0, len(scan.image), stride))
        found = predictor.probability(thin) >= recipe.threshold
        reference = (thin.lungs if recipe.stage == "lungs" else thin.lesions) > 0
        overlap += 2 * int((found & reference).sum())
        total += int(found.sum() + reference.sum())
    return overlap / total if total else 0.0
