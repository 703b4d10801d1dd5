"""SGD whose learning rate is itself learned, by Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class HypergradientSGD(Optimizer):
    """SGD with momentum for the weights; Adam for the logarithm of its learning rate.

    The gradient of the loss with respect to the learning rate is minus the dot product of this
    step's gradient with the last step's update (Baydin et al. 2018, arXiv 1703.04782, Eq. 5);
    Adam steps on log(scale) with it. The rate used is the schedule's times scale.

    Source: CHS-Net section 4.2, "SGD as training weights optimizer, Adam as a learning rate
    optimizer", read to the letter; the paper does not say what it means.
    Differs: on the logarithm, so that the rate stays positive, and by the sign-like, normalized
    cosine of the two vectors, so that `rate_lr` needs no tuning to the size of the network.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        rate_lr: float = 0.02,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "rate_lr": rate_lr,
        }
        super().__init__(params, defaults)

    @property
    def scale(self) -> float:
        """What the learning rate is multiplied by now."""
        first = self.param_groups[0]["params"][0]
        state = self.state.get(first, {})
        return float(torch.exp(state["log_scale"])) if "log_scale" in state else 1.0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step. `closure` is not supported and must be None."""
        first = self.param_groups[0]["params"][0]
        scale = self._learn_rate(self.state[first])
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                gradient = weight.grad
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(weight)
                velocity = state["velocity"]
                velocity.mul_(group["momentum"]).add_(gradient)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(velocity, alpha=group["lr"] * scale)

    def _learn_rate(self, state: dict[str, Any]) -> float:
        """Adam on log(scale), which lives in the first parameter's state so that it is saved."""
        if "log_scale" not in state:
            device = self.param_groups[0]["params"][0].device  # where a checkpoint restores it
            for name in ("log_scale", "rate_mean", "rate_square", "rate_step"):
                state[name] = torch.zeros((), device=device)
            return 1.0
        dot, own, last = self._products()
        slope = -dot / max((own * last) ** 0.5, 1e-12)
        state["rate_step"] += 1
        state["rate_mean"].mul_(0.9).add_(0.1 * slope)
        state["rate_square"].mul_(0.99).add_(0.01 * slope * slope)
        mean = state["rate_mean"] / (1 - 0.9 ** float(state["rate_step"]))
        square = state["rate_square"] / (1 - 0.99 ** float(state["rate_step"]))
        state["log_scale"] -= self.param_groups[0]["rate_lr"] * mean / (square.sqrt() + 1e-8)
        return float(torch.exp(state["log_scale"]))

    def _products(self) -> tuple[float, float, float]:
        """Gradient times last update, and the squares of both, over all weights."""
        sums = []
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and "velocity" in self.state[weight]:
                    velocity = self.state[weight]["velocity"]
                    dot = (weight.grad * velocity).sum()
                    sums.append(
                        torch.stack((dot, weight.grad.square().sum(), velocity.square().sum()))
                    )
        total, own, last = 0.0, 0.0, 0.0
        for row in torch.stack(sums).tolist() if sums else ():  # one wait for the device
            total, own, last = total + row[0], own + row[1], last + row[2]
        return total, own, last
