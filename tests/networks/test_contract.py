"""What every network of the catalog owes: one contract, run for each entry."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from groundglass.catalog import NETWORKS, NetworkEntry, network_entry
from groundglass.errors import SettingsError
from groundglass.losses.build import build_loss
from groundglass.networks.build import build_network
from groundglass.networks.raiu_net import UNetFrame, raiu_net
from groundglass.networks.side_outputs import SideOutputs

BASE = 4


@pytest.fixture(params=NETWORKS, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> NetworkEntry:
    if request.param.needs:
        pytest.importorskip(request.param.needs)
    return request.param


@pytest.fixture
def network(entry: NetworkEntry) -> nn.Module:
    torch.manual_seed(3)
    return build_network(entry.name, base=BASE)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def all_outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The logits, with those of all side outputs where there are any."""
    if not getattr(network, "has_side_outputs", False):
        return network(x)
    outputs = network(x, side_outputs=True)
    edge = () if outputs.edge is None else (outputs.edge,)
    return torch.cat([*outputs.masks, *edge])


class TestContract:
    @pytest.mark.parametrize(
        "size", [(32, 48), (33, 47), (16, 16), (1, 5), (50, 17)], ids=lambda s: f"{s[0]}x{s[1]}"
    )
    def test_logits_have_the_size_of_the_input(
        self, network: nn.Module, size: tuple[int, int]
    ) -> None:
        with torch.no_grad():
            logits = network.eval()(torch.randn(2, 1, *size))
        assert logits.shape == (2, 1, *size)
        assert torch.isfinite(logits).all()

    def test_gradient_reaches_every_parameter(self, entry: NetworkEntry) -> None:
        """Every weight gets one in some start of three (a ReLU gate's hidden unit may be closed
        in one of them); a bias just before batch norm gets one that is zero."""
        unreached: set[str] | None = None
        for seed in range(3):
            torch.manual_seed(seed)
            network = build_network(entry.name, base=BASE).train()
            all_outputs(network, torch.randn(2, 1, 32, 48)).square().mean().backward()
            zero = set()
            for name, parameter in network.named_parameters():
                assert parameter.grad is not None, name
                assert torch.isfinite(parameter.grad).all(), name
                if parameter.ndim > 1 and not parameter.grad.any():
                    zero.add(name)
            unreached = zero if unreached is None else unreached & zero
        assert unreached == set()

    def test_evaluation_is_deterministic(self, network: nn.Module) -> None:
        network.eval()
        x = torch.randn(2, 1, 33, 47)
        with torch.no_grad():
            first, again, alone = network(x), network(x), network(x[:1])
        assert torch.equal(first, again)
        scale = max(1.0, float(first.abs().max()))  # an untrained Inf-Net answers in hundreds
        torch.testing.assert_close(first[:1], alone, atol=1e-5 * scale, rtol=1e-5)

    def test_training_draws_nothing_at_random(self, network: nn.Module) -> None:
        """No dropout of any kind: a run is a function of its settings and seed, resumed or not."""
        x, drawn = torch.randn(2, 1, 32, 48), torch.get_rng_state()
        all_outputs(network.train(), x)
        assert torch.equal(torch.get_rng_state(), drawn)

    def test_state_dict_round_trip(self, entry: NetworkEntry, network: nn.Module) -> None:
        network.train()
        network(torch.randn(2, 1, 32, 32))  # moves the running statistics too
        torch.manual_seed(99)
        other = build_network(entry.name, base=BASE)
        other.load_state_dict(network.state_dict())
        x = torch.randn(1, 1, 32, 48)
        with torch.no_grad():
            assert torch.equal(network.eval()(x), other.eval()(x))

    def test_parameter_count_is_the_catalogs(self, entry: NetworkEntry) -> None:
        with torch.device("meta"):
            assert count(build_network(entry.name)) == entry.parameters

    def test_padding_is_cut_off_again(self, network: nn.Module) -> None:
        """An odd size gives what the same image, zero-padded by hand, gives."""
        x = torch.randn(1, 1, 33, 47)
        padded = torch.zeros(1, 1, 48, 48)
        padded[..., :33, :47] = x
        network.eval()
        with torch.no_grad():
            assert torch.equal(network(x), network(padded)[..., :33, :47])

    def test_side_outputs_are_logits_of_the_same_size(
        self, entry: NetworkEntry, network: nn.Module
    ) -> None:
        """The main mask first, equal to what a plain call gives; networks without take only x."""
        x = torch.randn(2, 1, 33, 47)
        network.eval()
        if not getattr(type(network), "has_side_outputs", False):
            with pytest.raises(TypeError, match="side_outputs"):
                network(x, side_outputs=True)
            return
        with torch.no_grad():
            plain, outputs = network(x), network(x, side_outputs=True)
        assert isinstance(outputs, SideOutputs)
        assert len(outputs.masks) == 4
        assert torch.equal(outputs.masks[0], plain)
        maps = [*outputs.masks, *([] if outputs.edge is None else [outputs.edge])]
        assert all(torch.isfinite(x).all() and x.shape == (2, 1, 33, 47) for x in maps)
        assert (outputs.edge is not None) == (entry.name == "inf-net")

    def test_its_loss_trains_it(self, entry: NetworkEntry) -> None:
        """Some steps of its paper's loss on one slice lower that loss."""
        torch.manual_seed(1)
        network, loss = build_network(entry.name, base=BASE).train(), build_loss(entry.loss)
        wanted = {"side_outputs": True} if getattr(network, "has_side_outputs", False) else {}
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        target = torch.zeros(2, 1, 32, 32)
        target[..., 8:20, 8:24] = 1
        x, losses = target + 0.1 * torch.randn(2, 1, 32, 32), []
        for _ in range(12):
            optimizer.zero_grad()
            value = loss(network(x, **wanted), target)
            value.backward()
            optimizer.step()
            losses.append(value.item())
        assert losses[-1] < 0.9 * losses[0]

    def test_a_published_count_is_near_or_explained(self, entry: NetworkEntry) -> None:
        if entry.published_parameters is None:
            return
        assert entry.published_note
        assert entry.parameters == pytest.approx(entry.published_parameters, rel=0.1)

    def test_channels_last_gives_the_same(self, network: nn.Module) -> None:
        network.eval()
        x = torch.randn(1, 1, 32, 32)
        with torch.no_grad():
            plain = network(x)
            turned = network.to(memory_format=torch.channels_last)(
                x.to(memory_format=torch.channels_last)
            )
        torch.testing.assert_close(plain, turned, atol=1e-5, rtol=1e-4)


def test_each_switch_of_the_ablation_adds_what_it_says() -> None:
    names = {
        entry.name: {
            type(module).__name__ for module in build_network(entry.name, base=2).modules()
        }
        for entry in NETWORKS
        if not entry.needs
    }
    assert "ResidualInceptionBlock" not in names["bu"]
    assert "SeparableConv2d" not in names["bu"]
    assert "ResidualInceptionBlock" in names["bu-rib"]
    assert "HybridPool2d" not in names["bu-rib"]
    assert "HybridPool2d" in names["bu-rib-hp"]
    assert "SSDAttention" not in names["bu-rib-hp"]
    assert {"ResidualInceptionBlock", "HybridPool2d", "SSDAttention"} <= names["raiu-net"]


def test_the_cascade_counts_what_the_papers_page_says() -> None:
    assert 2 * network_entry("raiu-net").parameters == pytest.approx(4.6e6, rel=0.01)
    with torch.device("meta"):
        assert 2 * count(raiu_net(base=15)) == pytest.approx(4.1e6, rel=0.02)


def test_channels_double_and_sizes_halve() -> None:
    network = raiu_net(base=2)
    assert isinstance(network, UNetFrame)
    seen: list[tuple[int, ...]] = []
    for block in [*network.contraction, network.bridge]:
        block.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network.eval()(torch.randn(1, 1, 32, 64))
    assert seen == [(2, 32, 64), (4, 16, 32), (8, 8, 16), (16, 4, 8), (32, 2, 4)]


def test_sigmoid_gates_are_an_option() -> None:
    plain, gated = raiu_net(base=2), raiu_net(base=2, gate=nn.Sigmoid)
    assert not any(isinstance(module, nn.Sigmoid) for module in plain.modules())
    assert sum(isinstance(module, nn.Sigmoid) for module in gated.modules()) == 8
    assert count(plain) == count(gated)


def test_an_unknown_network_is_refused_with_the_list() -> None:
    with pytest.raises(SettingsError, match=r"'u-net' is unknown; expected bu, .*raiu-net"):
        build_network("u-net")
