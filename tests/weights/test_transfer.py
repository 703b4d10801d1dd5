"""Weights are exported and imported whole, or not at all."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from groundglass.errors import WeightsError
from groundglass.weights import store
from groundglass.weights.store import (
    Weights,
    find_any_weights,
    find_classifier_weights,
    find_weights,
)
from groundglass.weights.transfer import export_weights, import_weights

from ..made_classifier import write_classifier_weights
from ..made_weights import write_weights


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of our own, and nothing shipped."""
    folder = tmp_path / "user"
    monkeypatch.setenv("GROUNDGLASS_WEIGHTS", str(folder))
    monkeypatch.setattr(store, "_SHIPPED", tmp_path / "shipped")
    return folder


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


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

    def test_a_classifier_travels_alike(self, tmp_path: Path, user: Path) -> None:
        weights = write_classifier_weights(tmp_path / "w", name="heads")
        archive = export_weights(weights, tmp_path / "heads.zip")
        imported = import_weights(archive)
        assert imported.folder == user / "heads"
        assert imported.verify() == weights.verify()
        assert find_classifier_weights("heads").manifest == weights.manifest

    @pytest.mark.parametrize("replace", [False, True])
    def test_a_name_of_the_other_kind_is_refused(
        self, tmp_path: Path, user: Path, replace: bool
    ) -> None:
        """Of what was imported, and of what is shipped, which would be shadowed."""
        write_weights(tmp_path / "shipped" / "default", name="default")
        import_weights(write_weights(tmp_path / "a", name="mine").folder)
        import_weights(write_classifier_weights(tmp_path / "b", name="heads").folder)
        for folder in (
            write_classifier_weights(tmp_path / "c", name="default").folder,
            write_classifier_weights(tmp_path / "d", name="mine").folder,
            write_weights(tmp_path / "e", name="heads").folder,
        ):
            with pytest.raises(WeightsError, match=r"and those of that name at .* (segment|class)"):
                import_weights(folder, replace=replace)
        assert left(user) == ["heads", "mine"]
        assert isinstance(find_any_weights("mine"), Weights)
