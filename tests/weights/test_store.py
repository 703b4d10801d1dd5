"""Weights are found by name, checked by hash, and imported whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from groundglass.errors import WeightsError
from groundglass.weights import store
from groundglass.weights.store import Weights, find_weights, list_weights, user_folder
from groundglass.weights.transfer import export_weights, import_weights

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


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


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


class TestExportAndImport:
    def zipped(self, tmp_path: Path) -> Path:
        weights = write_weights(tmp_path / "w", name="mine")
        (tmp_path / "w" / "MODEL_CARD.md").write_text("a card")
        return export_weights(weights, tmp_path / "mine.zip")

    @pytest.mark.parametrize("form", ["zip", "folder"])
    def test_round_trip(self, tmp_path: Path, user: Path, form: str) -> None:
        archive = self.zipped(tmp_path)
        imported = import_weights(archive if form == "zip" else tmp_path / "w")
        assert imported.folder == user / "mine"
        assert imported.verify() == Weights(tmp_path / "w", imported.manifest).verify()
        assert (user / "mine" / "MODEL_CARD.md").read_text() == "a card"
        assert find_weights("mine").manifest == imported.manifest
        assert left(user) == ["mine"]

    def test_files_from_before_1980_can_be_exported(self, tmp_path: Path) -> None:
        """Reproducible builds set every file's time to 1970."""
        weights = write_weights(tmp_path / "w")
        os.utime(tmp_path / "w" / "lungs.onnx", (0, 0))
        export_weights(weights, tmp_path / "w.zip")

    def test_damaged_weights_are_not_exported(self, tmp_path: Path) -> None:
        weights = write_weights(tmp_path / "w")
        (tmp_path / "w" / "lungs.onnx").write_bytes(b"?")
        with pytest.raises(WeightsError, match="SHA-256"):
            export_weights(weights, tmp_path / "w.zip")
        assert left(tmp_path) == ["w"]

    def test_export_to_nowhere(self, tmp_path: Path) -> None:
        weights = write_weights(tmp_path / "w")
        with pytest.raises(WeightsError, match="cannot be written to"):
            export_weights(weights, tmp_path / "nowhere" / "w.zip")

    def test_an_imported_name_is_kept_unless_replaced(self, tmp_path: Path, user: Path) -> None:
        import_weights(self.zipped(tmp_path))
        newer = write_weights(tmp_path / "newer", name="mine", version="2").folder
        with pytest.raises(WeightsError, match=r"already imported at .*--replace"):
            import_weights(newer)
        assert find_weights("mine").manifest.version == "1"
        import_weights(newer, replace=True)
        assert find_weights("mine").manifest.version == "2"
        assert not (user / "mine" / "MODEL_CARD.md").exists()
        assert left(user) == ["mine"]

    def test_damage_is_found_before_anything_is_kept(self, tmp_path: Path, user: Path) -> None:
        folder = write_weights(tmp_path / "w", name="mine").folder
        import_weights(folder)
        (folder / "lungs.onnx").write_bytes(b"?")
        with pytest.raises(WeightsError, match="SHA-256"):
            import_weights(folder, replace=True)
        find_weights("mine").verify()
        assert left(user) == ["mine"]

    @pytest.mark.parametrize("name", ["../evil", "a/b", "..", "/abs", "c:\\evil", "..\\evil"])
    def test_a_zip_that_reaches_out_is_refused(self, tmp_path: Path, user: Path, name: str) -> None:
        archive = self.zipped(tmp_path)
        with zipfile.ZipFile(archive, "a") as stream:
            stream.writestr(name, "x")
        with pytest.raises(WeightsError, match="expected plain files, no folders"):
            import_weights(archive)
        assert left(user) == []
        assert left(tmp_path) == ["mine.zip", "user", "w"]

    def test_a_name_that_reaches_out_is_refused(self, tmp_path: Path, user: Path) -> None:
        for name in ("../evil", ".hidden", ""):
            folder = write_weights(tmp_path / "w", name=name).folder
            with pytest.raises(WeightsError, match="weights name is"):
                import_weights(folder)
        assert left(user) == []

    @pytest.mark.parametrize("content", [None, b"no zip", b"PK\x03\x04 damaged"])
    def test_what_is_no_zip(self, tmp_path: Path, user: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "w.zip").write_bytes(content)
        with pytest.raises(WeightsError, match="cannot be read as a zip"):
            import_weights(tmp_path / "w.zip")
        assert left(user) == []

    def test_a_zip_whose_data_are_damaged(self, tmp_path: Path) -> None:
        archive = self.zipped(tmp_path)
        content = bytearray(archive.read_bytes())
        content[content.index(b"lungs onnx")] ^= 1
        archive.write_bytes(content)
        with pytest.raises(WeightsError, match="cannot be read as a zip"):
            import_weights(archive)

    def test_a_folder_of_other_things(self, tmp_path: Path, user: Path) -> None:
        (tmp_path / "photos" / "deep").mkdir(parents=True)
        with pytest.raises(WeightsError, match="has no readable manifest"):
            import_weights(tmp_path / "photos")
        assert left(user) == []

    def test_a_user_folder_that_cannot_be_written(self, tmp_path: Path, user: Path) -> None:
        user.write_text("a file in the way")
        with pytest.raises(WeightsError, match=r"cannot be written to .*GROUNDGLASS_WEIGHTS"):
            import_weights(write_weights(tmp_path / "w").folder)

    def test_a_set_with_a_file_too_few(self, tmp_path: Path, user: Path) -> None:
        folder = write_weights(tmp_path / "w").folder
        shutil.move(folder / "lungs.onnx", tmp_path / "elsewhere")
        with pytest.raises(WeightsError, match=r"lack the file lungs\.onnx"):
            import_weights(folder)
        assert left(user) == []
