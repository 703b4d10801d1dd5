"""What every classifier of volumes owes: one contract, run for each entry of the catalog."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from groundglass.classifier_catalog import CLASSIFIERS, ClassifierEntry, classifier_entry
from groundglass.errors import InputError, SettingsError
from groundglass.losses.joint import JointLoss
from groundglass.networks.build import build_classifier
from groundglass.networks.covtanet import JointLogits, VolumeClassifier

BASE = 2


@pytest.fixture(params=CLASSIFIERS, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> ClassifierEntry:
    if request.param.needs:
        pytest.importorskip(request.param.needs)
    return request.param


@pytest.fixture
def network(entry: ClassifierEntry) -> VolumeClassifier:
    return made(entry, seed=3)


def made(entry: ClassifierEntry, *, seed: int) -> VolumeClassifier:
    """With slice scores that a training could have left, so that weights are not all alike."""
    torch.manual_seed(seed)
    network = build_classifier(entry.name, base=BASE)
    for fusion in (network.head.diagnosis, network.head.severity):
        nn.init.normal_(fusion.pool.score.weight)
    return network


def slices(entry: ClassifierEntry, scans: int, count: int) -> Tensor:
    return torch.randn(scans, count, entry.in_channels, entry.smallest, entry.smallest)


def lengths(*real: int, of: int) -> Tensor:
    return torch.arange(of) < torch.tensor(real).unsqueeze(1)


def padded(x: Tensor, more: int) -> Tensor:
    """`more` slices of NaN behind those of each scan: whatever touches them shows it."""
    return torch.cat([x, torch.full_like(x[:, :1], torch.nan).repeat(1, more, 1, 1, 1)], dim=1)


def total(logits: JointLogits) -> Tensor:
    """A number that all four outputs move."""
    places = torch.arange(1, logits.severity_weights.shape[1] + 1)
    weights = logits.diagnosis_weights + 2 * logits.severity_weights
    return (logits.diagnosis + 3 * logits.severity).sum() + (weights * places).sum()


class TestContract:
    @pytest.mark.parametrize(("count", "more"), [(1, (0, 0)), (5, (5, 13))])
    def test_a_logit_for_each_scan_and_a_weight_for_each_slice(
        self, entry: ClassifierEntry, network: VolumeClassifier, count: int, more: tuple[int, int]
    ) -> None:
        height, width = (entry.smallest + extra for extra in more)
        with torch.no_grad():
            logits = network.eval()(torch.randn(2, count, entry.in_channels, height, width))
        assert logits.diagnosis.shape == logits.severity.shape == (2,)
        for weights in (logits.diagnosis_weights, logits.severity_weights):
            assert weights.shape == (2, count)
            assert (weights >= 0).all()
            torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
        assert all(torch.isfinite(x).all() for x in logits)

    def test_one_slice_can_be_trained_on(
        self, entry: ClassifierEntry, network: VolumeClassifier
    ) -> None:
        total(network.train()(slices(entry, 1, 1))).backward()
        assert all(
            parameter.grad is not None and torch.isfinite(parameter.grad).all()
            for parameter in network.parameters()
        )

    def test_gradient_reaches_every_parameter(self, entry: ClassifierEntry) -> None:
        """Every weight gets one in some start of three; a bias just before a norm gets a zero."""
        unreached: set[str] | None = None
        for seed in range(3):
            network = made(entry, seed=seed).train()
            total(network(slices(entry, 2, 3))).backward()
            zero = set()
            for name, parameter in network.named_parameters():
                assert parameter.grad is not None, name
                assert torch.isfinite(parameter.grad).all(), name
                if parameter.ndim > 1 and not parameter.grad.any():
                    zero.add(name)
            unreached = zero if unreached is None else unreached & zero
        assert unreached == set()

    def test_padding_has_no_influence_in_evaluation(
        self, entry: ClassifierEntry, network: VolumeClassifier
    ) -> None:
        """Scans of 4, 1 and 2 slices: each alone, and together behind seven slices."""
        network.eval()
        x = slices(entry, 3, 4)
        mask = lengths(4, 1, 2, of=7)
        with torch.no_grad():
            together = network(padded(x, 3).where(mask[:, :, None, None, None], torch.nan), mask)
            alone = [network(x[i : i + 1, :n]) for i, n in enumerate((4, 1, 2))]
        for i, n in enumerate((4, 1, 2)):
            for field in ("diagnosis", "severity"):
                one, all_ = getattr(alone[i], field)[0], getattr(together, field)[i]
                torch.testing.assert_close(one, all_, atol=1e-6, rtol=1e-6)
                one = getattr(alone[i], field + "_weights")[0]
                all_ = getattr(together, field + "_weights")[i]
                torch.testing.assert_close(one, all_[:n], atol=1e-6, rtol=1e-6)
                assert not all_[n:].any()

    def test_padding_has_no_influence_in_training(self, entry: ClassifierEntry) -> None:
        """The same batch behind more padding: outputs, gradients and running statistics."""
        x = slices(entry, 2, 3).double()
        mask = lengths(3, 2, of=3)
        outcomes = []
        for more in (0, 4):
            network = made(entry, seed=5).double().train()
            given = padded(x, more).requires_grad_()
            logits = network(given, torch.cat([mask, torch.zeros(2, more, dtype=torch.bool)], 1))
            total(logits).backward()
            assert given.grad is not None
            assert not given.grad[:, 3:].any()
            assert not given.grad[1, 2].any()
            gradients = [parameter.grad for parameter in network.parameters()]
            outcomes.append(
                [
                    *(logits.diagnosis, logits.severity, logits.diagnosis_weights[:, :3]),
                    *(given.grad[:, :3], *gradients, *network.buffers()),
                ]
            )
        for without, with_ in zip(*outcomes, strict=True):
            torch.testing.assert_close(without, with_, atol=1e-6, rtol=1e-6)

    def test_evaluation_is_deterministic_whatever_the_chunks(
        self, entry: ClassifierEntry, network: VolumeClassifier
    ) -> None:
        network.eval()
        x = slices(entry, 2, 4)
        with torch.no_grad():
            first, again = network(x), network(x)
            network.slices_at_once = 3
            chunked = network(x)
        for one, two, three in zip(first, again, chunked, strict=True):
            assert torch.equal(one, two)
            torch.testing.assert_close(one, three, atol=1e-5, rtol=1e-5)

    def test_state_dict_round_trip(self, entry: ClassifierEntry, network: VolumeClassifier) -> None:
        x = slices(entry, 2, 2)
        network.train()(x)  # moves the running statistics too
        other = made(entry, seed=99)
        other.load_state_dict(network.state_dict())
        with torch.no_grad():
            mine, its = network.eval()(x), other.eval()(x)
        assert all(torch.equal(one, two) for one, two in zip(mine, its, strict=True))

    def test_the_catalog_says_what_it_is(self, entry: ClassifierEntry) -> None:
        with torch.device("meta"):
            network = build_classifier(entry.name)
        assert sum(parameter.numel() for parameter in network.parameters()) == entry.parameters
        assert network.encoder.in_channels == entry.in_channels
        assert network.encoder.smallest == entry.smallest
        assert network.encoder.channels == 128  # so that the same head follows all of them

    def test_slices_too_small_are_refused(
        self, entry: ClassifierEntry, network: VolumeClassifier
    ) -> None:
        with pytest.raises(InputError, match=f"H and W of {entry.smallest} or more"):
            network(slices(entry, 1, 2)[..., 1:])

    def test_the_joint_loss_trains_it(self, entry: ClassifierEntry) -> None:
        """Normal, mild (a patch in one slice), severe (in all): some steps lower the loss."""
        torch.manual_seed(1)
        network, loss = build_classifier(entry.name, base=BASE).train(), JointLoss()
        x = 0.1 * slices(entry, 3, 3)
        half = entry.smallest // 2
        x[1, 1, ..., :half, :half] += 2
        x[2, :, ..., :half, :half] += 2
        diagnosis, severity = torch.tensor([0.0, 1.0, 1.0]), torch.tensor([torch.nan, 0.0, 1.0])
        optimizer, losses = torch.optim.Adam(network.parameters(), lr=0.01), []
        for _ in range(12):
            optimizer.zero_grad()
            value = loss(network(x), diagnosis, severity)
            value.backward()
            optimizer.step()
            losses.append(value.item())
        assert losses[-1] < 0.8 * losses[0]


def test_an_unknown_classifier_is_refused_with_the_list() -> None:
    with pytest.raises(SettingsError, match=r"'resnet' is unknown; expected covtanet, .*xception"):
        build_classifier("resnet")


def test_names_are_unique_and_differences_explained() -> None:
    assert len({entry.name for entry in CLASSIFIERS}) == len(CLASSIFIERS)
    assert all(entry.published_note for entry in CLASSIFIERS)
    assert classifier_entry("covtanet") is CLASSIFIERS[0]
