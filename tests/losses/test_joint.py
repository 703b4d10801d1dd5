"""The joint loss, by hand, and what it does with labels that are absent."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from groundglass.errors import DatasetError
from groundglass.losses.joint import JointLoss
from groundglass.networks.covtanet import JointLogits

NAN = math.nan


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def answers(diagnosis: Tensor, severity: Tensor) -> JointLogits:
    weights = torch.ones(len(diagnosis), 1)
    return JointLogits(diagnosis, severity, weights, weights)


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_by_hand() -> None:
    """Healthy at 0.2, mild at 0.7 and 0.4, severe at 0.9 and 0.6: M = 3, M_I = 2."""
    logits = answers(
        doubles(logit(0.2), logit(0.7), logit(0.9)), doubles(5.0, logit(0.4), logit(0.6))
    )
    labels = doubles(0, 1, 1), doubles(1, 0, 1)
    of_diagnosis = -(math.log(0.8) + math.log(0.7) + math.log(0.9)) / 3
    of_severity = -(math.log(0.6) + math.log(0.6)) / 2
    terms = JointLoss().terms(logits, *labels)
    assert terms.diagnosis.item() == pytest.approx(of_diagnosis, abs=1e-12)
    assert terms.severity.item() == pytest.approx(of_severity, abs=1e-12)
    expected = pytest.approx(of_diagnosis + of_severity, abs=1e-12)
    assert JointLoss()(logits, *labels).item() == expected


@pytest.mark.parametrize("there", [0.0, 1.0, NAN, 3.0])
def test_the_severity_of_a_healthy_volume_never_counts(there: float) -> None:
    severity = torch.tensor([2.0, -1.0], requires_grad=True)
    logits = answers(torch.zeros(2), severity)
    JointLoss()(logits, torch.tensor([0.0, 1.0]), torch.tensor([there, 1.0])).backward()
    assert severity.grad is not None
    assert severity.grad[0] == 0
    assert severity.grad[1] == pytest.approx(torch.sigmoid(torch.tensor(-1.0)).item() - 1)


@pytest.mark.parametrize("diagnosis", [(0.0, 0.0), (1.0, 1.0)], ids=["healthy", "unknown"])
def test_without_any_severity_that_term_is_a_zero_with_a_graph(
    diagnosis: tuple[float, float],
) -> None:
    severity = torch.tensor([2.0, -1.0], requires_grad=True)
    logits = answers(torch.zeros(2), severity)
    labels = torch.tensor(diagnosis), torch.tensor([NAN, NAN])
    terms = JointLoss().terms(logits, *labels)
    assert terms.severity.item() == 0
    terms.severity.backward()
    assert severity.grad is not None
    assert severity.grad.tolist() == [0.0, 0.0]
    assert terms.diagnosis.item() == pytest.approx(math.log(2))


@given(
    st.lists(
        st.tuples(
            st.floats(-8, 8),
            st.floats(-8, 8),
            st.sampled_from([0.0, 1.0]),
            st.sampled_from([0.0, 1.0, NAN]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_each_term_is_a_mean_over_what_it_counts(
    volumes: list[tuple[float, float, float, float]],
) -> None:
    def entropy(x: float, y: float) -> float:
        return math.log1p(math.exp(-x if y else x))

    d, s, diagnosis, severity = (doubles(*column) for column in zip(*volumes, strict=True))
    terms = JointLoss().terms(answers(d, s), diagnosis, severity)
    first = [entropy(x, y) for x, _, y, _ in volumes]
    second = [entropy(x, y) for _, x, infected, y in volumes if infected and not math.isnan(y)]
    assert terms.diagnosis.item() == pytest.approx(sum(first) / len(first))
    assert terms.severity.item() == pytest.approx(sum(second) / max(1, len(second)))


def test_half_precision_logits_are_counted_in_full() -> None:
    d, s = torch.randn(64), torch.randn(64)
    labels = (torch.rand(64) > 0.3).float(), (torch.rand(64) > 0.5).float()
    value = JointLoss()(answers(d.bfloat16(), s.bfloat16()), *labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(JointLoss()(answers(d, s), *labels).item(), rel=1e-2)


@pytest.mark.parametrize(
    ("diagnosis", "severity", "message"),
    [
        (NAN, 1.0, "diagnosis label is nan; expected 0 or 1"),
        (0.5, 1.0, "diagnosis label is 0.5; expected 0 or 1"),
        (1.0, 2.0, "severity label is 2; expected 0, 1 or NaN"),
    ],
)
def test_other_labels_are_refused(diagnosis: float, severity: float, message: str) -> None:
    logits = answers(torch.zeros(1), torch.zeros(1))
    with pytest.raises(DatasetError, match=message):
        JointLoss()(logits, torch.tensor([diagnosis]), torch.tensor([severity]))


def test_gradients_pass() -> None:
    labels = doubles(0, 1, 1), doubles(NAN, 0, 1)
    d, s = (torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: JointLoss()(answers(a, b), *labels), (d, s))
