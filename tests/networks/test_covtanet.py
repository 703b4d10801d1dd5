"""CovTANet's second phase as a whole: two answers, real slices only, bounded memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from groundglass.errors import InputError
from groundglass.networks.covtanet import CovTANet, JointHead, VolumeClassifier, covtanet
from groundglass.networks.regional_features import SliceEncoder


class Counting(SliceEncoder):
    """The mean of a slice in each region; remembers how many slices came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.in_channels, self.channels, self.smallest = 1, 8, 4
        self.came: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.came.append(len(x))
        return x.mean(dim=(1, 2, 3), keepdim=True).expand(-1, 8, 4, 4)


def test_six_hundred_slices_come_in_chunks() -> None:
    classifier = VolumeClassifier(Counting(), slices_at_once=64).eval()
    with torch.no_grad():
        logits = classifier(torch.randn(1, 600, 1, 4, 4))
    assert classifier.encoder.came == [64] * 9 + [24]
    assert logits.severity_weights.sum().item() == pytest.approx(1.0, abs=1e-5)


def test_only_real_slices_are_encoded_and_a_training_batch_at_once() -> None:
    classifier = VolumeClassifier(Counting(), slices_at_once=2).train()
    mask = torch.tensor([[True, True, True], [True, False, False]])
    classifier(torch.randn(2, 3, 1, 4, 4), mask)
    assert classifier.encoder.came == [4]


def test_encoding_what_comes_and_the_head_give_what_a_call_gives() -> None:
    classifier = covtanet(base=1).eval()
    x = torch.rand(1, 5, 64, 16, 16)
    with torch.no_grad():
        features = torch.cat([classifier.encode(x[0, :2]), classifier.encode(x[0, 2:])])
        mask = torch.ones(1, 5, dtype=torch.bool)
        for one, two in zip(classifier(x), classifier.head(features[None], mask), strict=True):
            torch.testing.assert_close(one, two)


def test_diagnosis_and_severity_share_features_and_nothing_else() -> None:
    head, mask = JointHead(8).eval(), torch.ones(2, 3, dtype=torch.bool)
    x = torch.randn(2, 3, 8, 4, 4)
    with torch.no_grad():
        before = head(x, mask)
        for parameter in head.severity.parameters():
            parameter.add_(0.5)
        after = head(x, mask)
    assert torch.equal(before.diagnosis, after.diagnosis)
    assert not torch.equal(before.severity, after.severity)


def test_the_order_of_slices_counts() -> None:
    head, mask = JointHead(8).eval(), torch.ones(1, 6, dtype=torch.bool)
    x = torch.randn(1, 6, 8, 4, 4)
    with torch.no_grad():
        one, two = head(x, mask), head(x[:, [0, 3, 1, 4, 2, 5]], mask)
    assert abs(one.diagnosis - two.diagnosis).item() > 1e-4


@pytest.mark.parametrize(
    ("slices", "mask", "message"),
    [
        ((2, 3, 5, 16, 16), None, r"\(2, 3, 5, 16, 16\); expected \(B, S, 6, H, W\)"),
        ((2, 6, 16, 16), None, "slices have the shape"),
        ((2, 3, 6, 16, 15), None, "H and W of 16 or more"),
        ((2, 3, 6, 16, 16), torch.ones(2, 4, dtype=torch.bool), r"\(2, 4\); expected torch.bool"),
        ((2, 3, 6, 16, 16), torch.ones(2, 3), r"torch.float32 .*; expected torch.bool of \(2, 3\)"),
        (
            (2, 3, 6, 16, 16),
            torch.tensor([[True, True, True], [False, False, False]]),
            r"scans \[1\] of the batch have no slice",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    slices: tuple[int, ...], mask: Tensor | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        CovTANet(6, base=1)(torch.zeros(slices), mask)


class _Tuple(nn.Module):
    def __init__(self, head: JointHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.head(features, mask))


def test_the_head_runs_without_torch_on_any_number_of_slices(tmp_path: Path) -> None:
    """Exported once from 7 slices, asked about 19."""
    head, path = JointHead(8), tmp_path / "head.onnx"
    nn.init.normal_(head.severity.pool.score.weight)
    axes = {0: "scans", 1: "slices"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as training.pack does, and for its reasons
        torch.onnx.export(
            _Tuple(head).eval(),
            (torch.randn(2, 7, 8, 4, 4), torch.ones(2, 7, dtype=torch.bool)),
            path,
            input_names=["features", "mask"],
            dynamic_axes={"features": axes, "mask": axes},
            opset_version=17,
            dynamo=False,
        )
    features, mask = torch.randn(3, 19, 8, 4, 4), torch.ones(3, 19, dtype=torch.bool)
    mask[1, 4:] = False
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answers = session.run(None, {"features": features.numpy(), "mask": mask.numpy()})
    with torch.no_grad():
        for answer, expected in zip(answers, head(features, mask), strict=True):
            torch.testing.assert_close(torch.from_numpy(answer), expected, atol=1e-6, rtol=1e-5)
