"""Features on disk: computed once, kept as promised, and made again where they are not right."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from torch import nn

from groundglass.datasets.index import PreparedScan, load_prepared, read_index
from groundglass.errors import DatasetError
from groundglass.networks.build import build_network
from groundglass.ops.feature_pack import Storage
from groundglass.recipe import SliceRecipe
from groundglass.studies.phantom_index import write_phantom_index
from groundglass.training.feature_cache import FeatureCache
from groundglass.training.fusion_features import FeatureSettings, FusionFeatures
from groundglass.training.scan_features import feature_path, read_features
from groundglass.training.scan_inputs import ScanInputs

RECIPE = SliceRecipe("direct", (64, 64))
CHANNELS = 16


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> list[PreparedScan]:
    """Three phantoms of six slices in HU, one without lesions."""
    folder = write_phantom_index(tmp_path_factory.mktemp("phantoms"), patients=2, slices=6)
    return [load_prepared(folder, row) for row in read_index(folder)]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("ta-segnet", base=4)


@pytest.fixture
def source(network: nn.Module) -> FusionFeatures:
    return FusionFeatures(network, RECIPE, FeatureSettings(grid=(8, 8)))


@pytest.fixture
def cache(tmp_path: Path, source: FusionFeatures) -> FeatureCache:
    return FeatureCache(tmp_path, source)


def computed(source: FusionFeatures, scan: PreparedScan) -> np.ndarray:
    return np.concatenate(list(source.batches(ScanInputs.of(scan, source.recipe))))


def path_of(cache: FeatureCache, scan: PreparedScan) -> Path:
    return feature_path(cache.folder, scan.row.scan_id)


def header_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="np") as stored:
        return stored.metadata()


@pytest.mark.parametrize(
    ("storage", "slice_bytes"), [("uint8", CHANNELS * (64 + 8)), ("float16", CHANNELS * 128)]
)
def test_what_comes_back_is_what_was_computed_but_for_the_rounding(
    tmp_path: Path,
    network: nn.Module,
    phantoms: list[PreparedScan],
    storage: Storage,
    slice_bytes: int,
) -> None:
    source = FusionFeatures(network, RECIPE, FeatureSettings((8, 8), storage))
    cache, scan = FeatureCache(tmp_path, source), phantoms[1]
    assert cache.add(scan)
    found, expected = cache.read(scan.row.scan_id), computed(source, scan)
    assert found.features.shape == expected.shape == (6, CHANNELS, 8, 8)
    assert found.features.dtype == np.float32
    error = np.abs(found.features - expected)
    allowed = np.ptp(expected, axis=(2, 3), keepdims=True) / 510 * 1.001
    if storage == "float16":
        allowed = np.abs(expected) / 2048 + 2.0**-25
    assert (error <= allowed + 1e-6).all()
    assert found.rounding.largest == pytest.approx(error.max(), rel=1e-3)
    squares = np.square(error).mean(), np.square(expected).mean()
    assert found.rounding.rms == pytest.approx(np.sqrt(squares[0]), rel=1e-3)
    assert found.rounding.relative == pytest.approx(np.sqrt(squares[0] / squares[1]), rel=1e-3)
    assert found.rounding.relative < 0.01
    assert found.slices.tolist() == list(range(6))
    assert found.has_lung.tolist() == scan.lungs.any(axis=(1, 2)).tolist()
    size = path_of(cache, scan).stat().st_size
    assert 6 * slice_bytes < size < 6 * slice_bytes + 2500  # the header and 5 bytes a slice


def test_a_scan_is_computed_once(
    cache: FeatureCache, phantoms: list[PreparedScan], network: nn.Module
) -> None:
    told: list[tuple[str, bool]] = []
    watch = lambda *one: told.append(one)  # noqa: E731
    assert cache.fill(iter(phantoms), progress=watch) == 3
    before = {path.name: path.stat().st_mtime_ns for path in cache.folder.iterdir()}
    assert cache.fill(iter(phantoms), progress=watch) == 0
    assert {path.name: path.stat().st_mtime_ns for path in cache.folder.iterdir()} == before
    ids = [scan.row.scan_id for scan in phantoms]
    assert told == [(name, True) for name in ids] + [(name, False) for name in ids]
    again = FusionFeatures(network, RECIPE, FeatureSettings(grid=(8, 8)))
    assert not FeatureCache(cache.folder.parent, again).add(phantoms[0])


def test_scans_are_taken_one_at_a_time(cache: FeatureCache, phantoms: list[PreparedScan]) -> None:
    order: list[str] = []

    def read() -> Iterator[PreparedScan]:
        for scan in phantoms:
            order.append(f"read {scan.row.scan_id}")
            yield scan

    cache.fill(read(), progress=lambda name, _: order.append(f"kept {name}"))
    assert order == [f"{did} phantom_{n}" for n in range(3) for did in ("read", "kept")]


def test_a_killed_run_goes_on(
    cache: FeatureCache, phantoms: list[PreparedScan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was half written has another name, and does not count."""

    def killed(arrays, path: Path, metadata) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    cache.add(phantoms[0])
    with monkeypatch.context() as patch:
        patch.setattr("groundglass.training.feature_cache.save_file", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.fill(phantoms)
    assert not path_of(cache, phantoms[1]).exists()
    assert cache.fill(phantoms) == 2
    assert len(list(cache.folder.iterdir())) == 3  # the leftover became the file


def damage_header(path: Path) -> None:
    path.write_bytes(b"not a file of features")


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def damage_content(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(bytes(data))


def other_format(path: Path) -> None:
    save_file(load_file(path), path, metadata={**header_of(path), "format": "of tomorrow"})


def other_weights(path: Path) -> None:
    header = header_of(path)
    source = {**json.loads(header["source"]), "weights_sha256": "0" * 64}
    save_file(load_file(path), path, metadata={**header, "source": json.dumps(source)})


def other_scan(path: Path) -> None:
    save_file(load_file(path), path, metadata={**header_of(path), "scan_id": "someone"})


def no_header(path: Path) -> None:
    save_file(load_file(path), path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damage_header, "cannot be read"),
        (damage_end, "cannot be read"),
        (damage_content, "are damaged"),
        (other_format, "have another format"),
        (other_weights, "have another source"),
        (other_scan, "have another scan_id"),
        (no_header, "have another format, scan_id, scan_sha256, source"),
    ],
)
def test_a_file_that_is_not_right_is_made_again(
    cache: FeatureCache,
    phantoms: list[PreparedScan],
    caplog: pytest.LogCaptureFixture,
    spoil,
    message: str,
) -> None:
    scan = phantoms[1]
    cache.add(scan)
    path = path_of(cache, scan)
    whole, header = load_file(path), header_of(path)
    before = path.read_bytes()
    spoil(path)
    assert path.read_bytes() != before
    with caplog.at_level(logging.WARNING):
        assert cache.add(scan)
    assert f"{path} {message}" in caplog.text
    assert header_of(path) == header
    for name, array in load_file(path).items():
        assert np.array_equal(array, whole[name])
    assert not cache.add(scan)


def test_a_scan_prepared_anew_is_computed_again(
    cache: FeatureCache, phantoms: list[PreparedScan]
) -> None:
    scan = phantoms[1]
    cache.add(scan)
    brighter, lungs = scan.image.copy(), scan.lungs.copy()
    brighter[3, 100, 100] += 40
    lungs[2] = 0
    assert cache.add(replace(scan, image=brighter))
    assert cache.add(scan, lungs=lungs)
    assert not cache.read(scan.row.scan_id).has_lung[2]
    assert not cache.add(replace(scan, lungs=lungs))  # by whichever way they come
    assert cache.add(scan)
    assert not cache.add(replace(scan, lesions=1 - scan.lesions))  # which no network is shown


def test_networks_share_a_root(
    tmp_path: Path, cache: FeatureCache, phantoms: list[PreparedScan]
) -> None:
    torch.manual_seed(1)
    settings = FeatureSettings(grid=(8, 8))
    other = FeatureCache(
        tmp_path, FusionFeatures(build_network("ta-segnet", base=4), RECIPE, settings)
    )
    scan = phantoms[1]
    assert cache.add(scan)
    assert other.add(scan)
    assert not cache.add(scan)
    name = scan.row.scan_id
    assert not np.allclose(cache.read(name).features, other.read(name).features)


def test_of_a_long_scan_a_bounded_choice_is_read(
    cache: FeatureCache, phantoms: list[PreparedScan]
) -> None:
    scan = phantoms[1]
    lungs = np.zeros_like(scan.lungs)
    lungs[1:5, 100:120, 100:120] = 1
    cache.add(scan, lungs=lungs)
    name = scan.row.scan_id
    whole, some = cache.read(name), cache.read(name, most=2)
    assert some.slices.tolist() == [2, 4]  # of the lungs' four slices
    assert np.array_equal(some.features, whole.features[[2, 4]])
    assert some.has_lung.tolist() == [True, True]
    assert cache.read(name, most=2, offset=0.0).slices.tolist() == [1, 3]
    assert cache.read(name, most=64).slices.tolist() == [1, 2, 3, 4]
    assert some.rounding == whole.rounding


def test_the_lesion_stage_keeps_the_slices_with_lung(
    tmp_path: Path, network: nn.Module, phantoms: list[PreparedScan]
) -> None:
    recipe, scan = replace(RECIPE, stage="lesions", network_size=(48, 64)), phantoms[1]
    source = FusionFeatures(network, recipe, FeatureSettings(grid=(6, 8)))
    cache = FeatureCache(tmp_path, source)
    lungs = scan.lungs.copy()
    lungs[[0, 3]] = 0
    cache.add(scan, lungs=lungs)
    found = cache.read(scan.row.scan_id)
    kept = np.flatnonzero(lungs.any(axis=(1, 2)))
    assert found.slices.tolist() == kept.tolist()
    assert found.features.shape == (len(kept), CHANNELS, 6, 8)
    assert found.has_lung.all()
    with pytest.raises(DatasetError, match=r"phantom_1 has no slice with lung; .* stage direct"):
        cache.add(scan, lungs=np.zeros_like(lungs))


def test_a_reduced_scan_is_refused(cache: FeatureCache, phantoms: list[PreparedScan]) -> None:
    with pytest.raises(DatasetError, match="phantom_1 is reduced to 2 slices; expected the whole"):
        cache.add(phantoms[1].take(np.array([1, 2])))


@pytest.mark.parametrize("spoil", [damage_header, damage_end, other_scan, no_header])
def test_reading_what_is_not_right_is_refused(
    cache: FeatureCache, phantoms: list[PreparedScan], spoil
) -> None:
    scan = phantoms[0]
    cache.add(scan)
    spoil(path_of(cache, scan))
    with pytest.raises(DatasetError, match=r"cannot be read: .* Fill the cache again"):
        cache.read(scan.row.scan_id)


def test_reading_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no features of scan x; expected x\.safetensors"):
        read_features(tmp_path, "x")
