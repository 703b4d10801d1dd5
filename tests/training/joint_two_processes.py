"""What `torchrun` runs in test_joint_loop.py: every process trains the same run."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from groundglass.datasets.index import read_index
from groundglass.networks.covtanet import JointLogits
from groundglass.training import joint_loop
from groundglass.training.joint_loop import JointTrainer
from groundglass.training.joint_settings import JointSettings
from groundglass.training.slice_sources import GraySlices


class PlainClassifier(nn.Module):
    """Two linear layers on each real slice's pixels, averaged: no batch statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, slices: Tensor, mask: Tensor) -> JointLogits:
        small = nn.functional.adaptive_avg_pool2d(slices.flatten(0, 2), 8).view(*mask.shape, 64)
        weights = mask / mask.sum(dim=1, keepdim=True)
        both = (self.layers(small) * weights[:, :, None]).sum(dim=1)
        return JointLogits(both[:, 0], both[:, 1], weights, weights)


def plain_network(settings: JointSettings) -> nn.Module:
    return PlainClassifier()


def train(prepared: Path, folder: Path) -> JointTrainer:
    settings = JointSettings(
        name="plain",
        index=str(prepared),
        classifier="vgg-19",
        gray_size=(64, 64),
        slices=3,
        steps=4,
        batch=4,
        lr=0.02,
        lr_end=0.01,
        checkpoint_every=2,
        balanced=False,
    )
    rows = read_index(prepared)
    assert settings.gray_recipe is not None
    source = GraySlices(prepared, rows, settings.gray_recipe)
    build = joint_loop.joint_network
    joint_loop.joint_network = plain_network  # pyright: ignore[reportAttributeAccessIssue]
    try:
        trainer = JointTrainer(rows, source, settings, folder)
        trainer.run()
    finally:
        joint_loop.joint_network = build
    return trainer


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), Path(sys.argv[2])).ranks.leave()
