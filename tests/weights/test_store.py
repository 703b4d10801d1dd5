"""Weights of either kind are found by name, checked by hash, and never mistaken for each other."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from groundglass.errors import WeightsError
from groundglass.weights import store
from groundglass.weights.store import (
    ClassifierWeights,
    Weights,
    find_any_weights,
    find_classifier_weights,
    find_weights,
    list_all_weights,
    list_classifier_weights,
    list_weights,
    user_folder,
)

from ..made_classifier import write_classifier_weights
from ..made_weights import write_lesion_model, write_weights


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of our own, and nothing shipped."""
    folder = tmp_path / "user"
    monkeypatch.setenv("GROUNDGLASS_WEIGHTS", str(folder))
    monkeypatch.setattr(store, "_SHIPPED", tmp_path / "shipped")
    return folder


def names() -> list[str]:
    return [weights.manifest.name for weights in list_weights()]


class TestUserFolder:
    def test_the_environment_names_it(self, user: Path) -> None:
        assert user_folder() == user

    def test_else_it_is_the_users_data_folder(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("GROUNDGLASS_WEIGHTS")
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert user_folder() == tmp_path / "groundglass" / "weights"
        monkeypatch.delenv("XDG_DATA_HOME")
        assert user_folder().parts[-4:] == (".local", "share", "groundglass", "weights")


class TestFiles:
    def test_hashes_are_checked(self, tmp_path: Path) -> None:
        weights = write_weights(tmp_path / "w")
        assert set(weights.verify()) == {
            "lungs.onnx",
            "lungs.safetensors",
            "lesions.onnx",
            "lesions.safetensors",
        }
        assert weights.path("lungs", "onnx") == tmp_path / "w" / "lungs.onnx"

    def test_one_changed_byte_is_refused(self, tmp_path: Path) -> None:
        weights = write_weights(tmp_path / "w")
        path = tmp_path / "w" / "lesions.onnx"
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        with pytest.raises(WeightsError, match=r"lesions\.onnx has SHA-256 .*; expected"):
            weights.path("lesions", "onnx")
        with pytest.raises(WeightsError, match="SHA-256"):
            weights.verify()

    def test_a_stage_that_is_not_there(self, tmp_path: Path) -> None:
        weights = write_lesion_model(tmp_path / "w")
        assert set(weights.verify()) == {"lesions.onnx", "lesions.safetensors"}
        assert weights.stage("lesions").network == "raiu-net"
        with pytest.raises(WeightsError, match=r"have no network for lungs.*--lesion-model"):
            weights.path("lungs", "onnx")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        weights = write_weights(tmp_path / "w")
        (tmp_path / "w" / "lungs.safetensors").unlink()
        with pytest.raises(WeightsError, match=r"lack the file lungs\.safetensors.*Import"):
            weights.verify()


class TestFind:
    def test_none_are_here(self) -> None:
        assert list_weights() == []
        with pytest.raises(WeightsError, match="'chs-net' are not here; expected imported weights"):
            find_weights()

    def test_what_there_is_is_listed(self, user: Path) -> None:
        write_weights(user / "a", name="a")
        write_weights(user / "b", name="b")
        assert names() == ["a", "b"]
        with pytest.raises(WeightsError, match="'c' are not here; expected a, b"):
            find_weights("c")

    def test_a_folder_is_found_by_its_path(self, tmp_path: Path) -> None:
        write_weights(tmp_path / "anywhere", name="mine")
        assert find_weights(str(tmp_path / "anywhere")).manifest.name == "mine"

    def test_an_imported_set_shadows_a_shipped_one(self, tmp_path: Path, user: Path) -> None:
        write_weights(tmp_path / "shipped" / "same", name="same", version="1")
        assert find_weights("same").manifest.version == "1"
        write_weights(user / "same", name="same", version="2")
        assert find_weights("same").manifest.version == "2"
        assert [weights.manifest.version for weights in list_weights()] == ["2"]

    def test_a_damaged_set_does_not_stop_the_others(
        self, user: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_weights(user / "good", name="good")
        (user / "bad").mkdir()
        (user / "bad" / "manifest.json").write_text("{")
        with caplog.at_level(logging.WARNING, "groundglass"):
            assert names() == ["good"]
        assert "is damaged" in caplog.text
        assert find_weights("good").manifest.name == "good"
        with pytest.raises(WeightsError, match="is damaged"):
            find_weights("bad")

    def test_what_a_killed_import_left_is_not_listed(self, user: Path) -> None:
        write_weights(user / ".import.partial-1", name="half")
        assert list_weights() == []


class TestKinds:
    def test_both_kinds_live_side_by_side(self, tmp_path: Path, user: Path) -> None:
        write_weights(user / "masks", name="masks")
        write_classifier_weights(user / "heads", name="heads")
        assert names() == ["masks"]
        assert [w.manifest.name for w in list_classifier_weights()] == ["heads"]
        assert [w.manifest.name for w in list_all_weights()] == ["heads", "masks"]
        assert isinstance(find_any_weights("masks"), Weights)
        assert isinstance(find_any_weights("heads"), ClassifierWeights)
        assert find_classifier_weights(str(user / "heads")).manifest.name == "heads"

    def test_one_kind_does_not_pass_for_the_other(self, user: Path) -> None:
        write_weights(user / "masks", name="masks")
        write_classifier_weights(user / "heads", name="heads")
        with pytest.raises(
            WeightsError,
            match=r"'heads' are a classifier's .* expected masks.*--classifier",
        ):
            find_weights("heads")
        with pytest.raises(
            WeightsError,
            match=r"'masks' segment lungs and lesions: .* expected heads.*--weights or --lesion-m",
        ):
            find_classifier_weights("masks")
        with pytest.raises(WeightsError, match="'other' are not here; expected heads"):
            find_classifier_weights("other")

    def test_a_name_that_is_taken_by_the_other_kind_is_left_out(
        self, tmp_path: Path, user: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_weights(tmp_path / "shipped" / "same", name="same")
        write_classifier_weights(user / "elsewhere", name="same")
        with caplog.at_level(logging.WARNING, "groundglass"):
            assert names() == ["same"]
        assert "has the name of" in caplog.text
        assert list_classifier_weights() == []

    def test_a_classifiers_files_are_checked(self, tmp_path: Path) -> None:
        weights = write_classifier_weights(tmp_path / "w")
        assert weights.sha256.keys() == weights.manifest.files.keys()
        assert set(weights.verify()) == {path.name for path in (tmp_path / "w").iterdir()} - {
            "manifest.json"
        }
        (tmp_path / "w" / "known.npz").write_bytes(b"?")
        assert weights.path("head").name == "head.onnx"
        with pytest.raises(WeightsError, match=r"known\.npz has SHA-256"):
            weights.path("known")
        (tmp_path / "w" / "head.onnx").unlink()
        with pytest.raises(WeightsError, match=r"heads lack the file head\.onnx"):
            weights.verify()
