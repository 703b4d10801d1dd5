"""Training batches made on the device that trains: a GPU would wait for the CPU's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from groundglass.datasets.index import PreparedScan
from groundglass.recipe import SliceRecipe
from groundglass.training.samples import Samples
from groundglass.training.settings import TrainSettings
from groundglass.training.slice_bank import (
    CODE_EDGE,
    CODE_STEP,
    BankEntry,
    SliceBank,
    changed_share,
)

_BLUR_REACH = 4


class DeviceSamples:
    """`Samples`, drawn by the same rules, warped and changed by torch on `device`.

    Every slice lies there in a bank. Each batch is drawn from (seed, step) alone, so a run goes on
    exactly; its draws are not those of `Samples`.
    Differs from `Samples`: a second equalization and a coarser grid are made once per slice and
    drawn as often; errors of the lungs are cut from a distance to their edge. No blur beyond 4
    pixels.
    Raises: as `Samples`.
    """

    def __init__(
        self, scans: Sequence[PreparedScan], settings: TrainSettings, device: torch.device
    ) -> None:
        self._settings = settings
        self._recipe = SliceRecipe.from_dict(settings.recipe)
        self._device = device
        self._host = Samples(scans, settings)
        self._bank = SliceBank.build(self._host, settings, device)
        self._generator = torch.Generator(device)
        self._weights = {
            side: _weights(entries, settings.slice_power)
            for side, entries in ((False, self._bank.sick), (True, self._bank.healthy))
        }

    def batch(
        self, step: int, *, rank: int = 0, world: int = 1
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Input and target of `step` on the device, float32 (N, 1, H, W).

        `world` processes that take every `world`-th place see the batch of one alone, but for
        its noise.
        """
        phase, _ = self._settings.phase_at(step)
        picks, values = self._draw(step, phase.size, phase.batch)
        picks, values = picks[rank::world], values[rank::world]
        self._generator.manual_seed((self._settings.seed << 32) + step * world + rank)
        return self._make(
            torch.from_numpy(picks).to(self._device),
            torch.from_numpy(values).to(self._device),
            phase.size,
        )

    def _draw(self, step: int, size: tuple[int, int], batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Which images and slices, (N, 2) int64, and how they are changed, (N, 16) float32."""
        settings, augment = self._settings, self._settings.augment
        rng = np.random.default_rng([settings.seed, step])
        chosen = [self._pick(rng) for _ in range(batch)]
        picks = np.array([pick for _, *pick in chosen], np.int64)
        places = [self._host.place(entry.source, size) for entry, *_ in chosen]
        centers = np.array([center[::-1] for center, _ in places])  # x, y
        zoom = np.array([step for _, step in places])

        def spread(count: int = batch) -> np.ndarray:
            return rng.uniform(-1, 1, count)

        scaled = zoom * np.exp(spread() * np.log1p(augment.scale))
        angle = np.radians(spread() * augment.rotate_degrees)
        mirror = np.where(rng.random(batch) < augment.flip_left_right, -1.0, 1.0)
        upside = np.where(rng.random(batch) < augment.flip_up_down, -1.0, 1.0)
        shift = spread(2 * batch).reshape(batch, 2) * augment.shift * np.array(size[::-1])
        cos, sin = np.cos(angle), np.sin(angle)
        linear = np.empty((batch, 2, 2))
        linear[:, 0, 0], linear[:, 0, 1] = cos * mirror, -sin * upside
        linear[:, 1, 0], linear[:, 1, 1] = sin * mirror, cos * upside
        linear *= scaled[:, None, None]
        middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
        offset = centers + shift * zoom[:, None] - linear @ middle
        out = np.zeros((batch, 16), np.float32)
        out[:, :6] = np.concatenate([linear, offset[:, :, None]], axis=2).reshape(batch, 6)
        out[:, 6] = np.exp(spread() * augment.gamma)
        out[:, 7] = 1 + spread() * augment.contrast
        out[:, 8] = spread() * augment.brightness
        out[:, 9] = rng.uniform(0, augment.noise, batch) * (rng.random(batch) < 0.5)
        out[:, 10] = rng.uniform(0.3, 1.3, batch) * (rng.random(batch) < augment.blur)
        self._draw_mask_errors(rng, picks[:, 1], linear, offset, out)
        return picks, out

    def _draw_mask_errors(
        self,
        rng: np.random.Generator,
        slices: np.ndarray,
        linear: np.ndarray,
        offset: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Columns 11 to 15: the lungs' edge in code, whether closed, and a hole's x, y, radius."""
        batch = len(out)
        scaled = np.sqrt(np.abs(np.linalg.det(linear)))
        wrong = rng.random(batch) < self._settings.augment.mask_errors
        kind = rng.random(batch)
        radius = rng.integers(1, 5, batch)
        center = self._bank.hole_centers[slices, rng.integers(64, size=batch)]
        hole_radius = rng.integers(2, 7, batch)
        holed = wrong & (kind >= 0.8) & (kind < 0.9) & ~np.isnan(center[:, 0])
        grown = np.where(kind < 0.65, radius, np.where(kind < 0.8, -1, np.where(holed, 1, 0)))
        out[:, 11] = CODE_EDGE + CODE_STEP * scaled * np.where(wrong, grown, 0)
        out[:, 12] = wrong & (kind >= 0.8) & ~holed
        shown = np.linalg.solve(linear, (np.nan_to_num(center) - offset)[:, :, None])[:, :, 0]
        out[:, 13:15] = shown
        out[:, 15] = np.where(holed, hole_radius, -1)

    def _pick(self, rng: np.random.Generator) -> tuple[BankEntry, int, int]:
        """A scan, and the image and slice drawn from it."""
        settings, bank = self._settings, self._bank
        healthy = bool(bank.healthy) and rng.random() < settings.healthy_share
        pool = bank.healthy if healthy else bank.sick
        entry = pool[int(np.searchsorted(self._weights[healthy], rng.random(), side="right"))]
        places = np.arange(entry.slices)
        if settings.stage != "lungs" and entry.with_lesions.size and entry.without.size:
            free = rng.random() < settings.lesion_free_share
            places = entry.without if free else entry.with_lesions
        place = int(places[rng.integers(places.size)])
        chance, which = rng.random(), int(rng.integers(entry.images))
        if not entry.source.scan.is_hu:
            which = int(chance < changed_share(settings.augment))
        image = entry.first_image + which * entry.slices + place
        return entry, image, entry.first + place

    @torch.no_grad()
    def _make(
        self, picks: torch.Tensor, values: torch.Tensor, size: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        bank, inside = self._bank, self._settings.stage == "lesions"
        image, which = picks.unbind(1)
        planes = [bank.images[image], bank.lungs[which], bank.lesions[which]]
        if bank.closed is not None:
            planes.append(bank.closed[which])
        if bank.soft is not None:
            planes.append(bank.soft[which])
        stacked = torch.stack(planes, dim=1).float()
        edge = stacked.shape[-1]
        x, y = self._frame_places(values, size)
        grid = torch.stack([(2 * x + 1) / edge - 1, (2 * y + 1) / edge - 1], dim=-1)
        warped = functional.grid_sample(
            stacked, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        within = (grid.abs() <= 1).all(dim=-1)
        shown = self._changed(warped[:, 0], values)
        lesions = ((warped[:, 2] > 127) & within).float()
        if bank.soft is not None:
            share = self._settings.soft_weight
            lesions = (1 - share) * lesions + share * warped[:, -1] / 255.0 * within
        target = lesions
        if inside and self._recipe.mask_outside:
            mask = self._lungs(warped, values, size) & within
            shown, target = shown * mask, lesions * mask
        elif self._settings.stage == "lungs":
            target = ((warped[:, 1] > 127) & within).float()
        recipe = self._recipe
        return ((shown / 255.0 - recipe.mean) / recipe.std)[:, None], target[:, None]

    def _frame_places(
        self, values: torch.Tensor, size: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Where in the frame each output pixel lies. Shape: two (N, H, W)."""
        rows = torch.arange(size[0], device=values.device, dtype=torch.float32)[:, None]
        columns = torch.arange(size[1], device=values.device, dtype=torch.float32)
        a, b, c, d, e, f = values[:, :6, None, None].unbind(1)
        return a * columns + b * rows + c, d * columns + e * rows + f

    def _lungs(
        self, warped: torch.Tensor, values: torch.Tensor, size: tuple[int, int]
    ) -> torch.Tensor:
        """The lungs as the first stage might give them. Shape: (N, H, W) bool."""
        edge, closed, column, row, radius = values[:, 11:16, None, None].unbind(1)
        code = torch.where(closed > 0, warped[:, 3], warped[:, 1])
        rows = torch.arange(size[0], device=values.device, dtype=torch.float32)[:, None]
        columns = torch.arange(size[1], device=values.device, dtype=torch.float32)
        away = (columns - column).square() + (rows - row).square()
        hole = (away <= radius.square()) & (radius > 0)
        return (code <= edge) & ~hole

    def _changed(self, shown: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Blur, gamma, contrast, brightness and noise. Shape: (N, H, W), 0 to 255."""
        gamma, contrast, brightness, noise, sigma = values[:, 6:11, None, None].unbind(1)
        away = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1, device=shown.device).square()
        kernel = torch.exp(-0.5 * away / sigma[:, :, 0].clamp_min(1e-3).square())
        kernel = (kernel / kernel.sum(dim=1, keepdim=True))[:, None, None]  # (N, 1, 1, reach)
        reach, count = _BLUR_REACH, len(shown)
        padded = functional.pad(shown[None], (reach, reach, reach, reach), mode="reflect")
        blurred = functional.conv2d(padded, kernel, groups=count)
        blurred = functional.conv2d(blurred, kernel.transpose(2, 3), groups=count)[0]
        level = (blurred / 255.0).clamp_(0, 1) ** gamma
        middle = level.mean(dim=(1, 2), keepdim=True)
        level = ((level - middle) * contrast + middle) * 255.0 + brightness
        drawn = torch.randn(level.shape, generator=self._generator, device=level.device)
        return (level + drawn * noise).round_().clamp_(0, 255)


def _weights(entries: Sequence[BankEntry], power: float) -> np.ndarray:
    """Upper ends of the scans' shares of 0..1."""
    counts = np.array([entry.slices for entry in entries], np.float64) ** power
    return np.cumsum(counts / counts.sum())[:-1] if counts.size else counts
