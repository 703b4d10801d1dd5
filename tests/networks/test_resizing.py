"""Averages by matrices are those of adaptive pooling."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import adaptive_avg_pool2d

from groundglass.networks.resizing import average_to, averages


def test_by_hand() -> None:
    """Five values in two parts share the middle one."""
    third = 1 / 3
    expected = torch.tensor([[third, third, third, 0, 0], [0, 0, third, third, third]])
    assert torch.allclose(averages(5, 2), expected)


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(1, 24)] * 2), st.tuples(*[st.integers(1, 12)] * 2))
def test_both_forms_agree(length: tuple[int, int], parts: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *length, generator=torch.Generator().manual_seed(0))
    expected = adaptive_avg_pool2d(x, parts)
    assert torch.equal(average_to(x, parts), expected)
    by_matrices = averages(length[0], parts[0]) @ x @ averages(length[1], parts[1]).T
    assert torch.allclose(by_matrices, expected, atol=1e-5)
