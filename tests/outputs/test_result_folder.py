"""A result is whole or absent, whatever happens in between."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from groundglass.errors import OutputError
from groundglass.outputs.result_folder import NEEDED_FILES, ResultFolder, is_complete


def fill(folder: Path, text: str = "new") -> None:
    for name in NEEDED_FILES:
        (folder / name).write_text(text)


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_result_appears_only_at_the_end(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "out"
    with ResultFolder(final) as partial:
        fill(partial)
        assert not final.exists()
        assert partial.parent == final.parent
    assert is_complete(final)
    assert [p.name for p in final.parent.iterdir()] == ["out"]


def test_failure_leaves_nothing_and_keeps_the_old(tmp_path: Path) -> None:
    final = tmp_path / "out"

    def fail() -> None:
        with ResultFolder(final, overwrite=True) as partial:
            fill(partial)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert list(tmp_path.iterdir()) == []
    final.mkdir()
    fill(final, "old")
    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert (final / "run.json").read_text() == "old"


def test_result_that_lacks_files_is_refused(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path / "out")
    partial = folder.__enter__()
    fill(partial)
    (partial / "lesions.nii.gz").unlink()
    with pytest.raises(OutputError, match=r"lacks lesions\.nii\.gz"):
        folder.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    final = tmp_path / "out"
    final.mkdir()
    with ResultFolder(final) as partial:
        fill(partial)
    assert is_complete(final)


def test_older_result_is_replaced_only_when_asked(tmp_path: Path) -> None:
    final = tmp_path / "out"
    final.mkdir()
    fill(final, "old")
    (final / "report.html").write_text("old")
    with pytest.raises(OutputError, match="already holds a whole result"), ResultFolder(final):
        pass
    with ResultFolder(final, overwrite=True) as partial:
        fill(partial)
        assert (final / "run.json").read_text() == "old"
    assert (final / "run.json").read_text() == "new"
    assert not (final / "report.html").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_foreign_files_are_never_touched(tmp_path: Path) -> None:
    final = tmp_path / "out"
    final.mkdir()
    (final / "thesis.docx").write_text("mine")
    with (
        pytest.raises(OutputError, match=r"no result of ours \(thesis\.docx\)"),
        ResultFolder(final, overwrite=True),
    ):
        pass
    assert (final / "thesis.docx").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_foreign_file_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    final = tmp_path / "out"
    folder = ResultFolder(final, overwrite=True)
    fill(folder.__enter__())
    final.mkdir()
    (final / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="no result of ours"):
        folder.__exit__(None, None, None)
    assert (final / "note.txt").exists()


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="is a file"), ResultFolder(tmp_path / "out"):
        pass


def test_kill_leaves_the_old_result_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    final = tmp_path / "out"
    final.mkdir()
    fill(final, "old")
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from groundglass.outputs.result_folder import ResultFolder\n"
        "with ResultFolder(Path(sys.argv[1]), overwrite=True) as partial:\n"
        "    (partial / 'run.json').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(final)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert (final / "run.json").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    with ResultFolder(final, overwrite=True) as partial:
        fill(partial)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_old_result_set_aside_by_a_dead_run_comes_back(tmp_path: Path) -> None:
    aside = tmp_path / f".out.old-{socket.gethostname()}-{dead_process()}"
    aside.mkdir()
    fill(aside, "old")
    with pytest.raises(OutputError, match="already holds"), ResultFolder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "run.json").read_text() == "old"


def test_partials_of_living_runs_and_other_machines_stay(tmp_path: Path) -> None:
    keep = [
        tmp_path / f".out.partial-{socket.gethostname()}-{os.getppid()}",
        tmp_path / f".out.partial-another-host-{dead_process()}",
    ]
    for folder in keep:
        folder.mkdir()
    with ResultFolder(tmp_path / "out") as partial:
        fill(partial)
    assert all(folder.exists() for folder in keep)


def test_mount_point_is_filled_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = tmp_path / "out"
    final.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == final)
    with ResultFolder(final) as partial:
        assert partial.parent == final
        fill(partial)
    assert is_complete(final)
    assert sorted(p.name for p in final.iterdir()) == sorted(NEEDED_FILES)
    with ResultFolder(final, overwrite=True) as partial:
        fill(partial, "newer")
    assert (final / "run.json").read_text() == "newer"


def test_a_dicom_folder_of_ours_is_replaced_and_one_with_a_scan_is_not(tmp_path: Path) -> None:
    final = tmp_path / "out"
    with ResultFolder(final) as partial:
        fill(partial)
        (partial / "dicom").mkdir()
        for name in ("seg.dcm", "sr.dcm", "report.dcm", "sc-001.dcm"):
            (partial / "dicom" / name).write_text("old")
    with ResultFolder(final, overwrite=True) as partial:
        fill(partial)
    assert sorted(p.name for p in final.iterdir()) == sorted(NEEDED_FILES)
    (final / "dicom").mkdir()
    (final / "dicom" / "IMG00001.dcm").write_text("a patient")
    with (
        pytest.raises(OutputError, match=r"no result of ours \(dicom/IMG00001\.dcm\)"),
        ResultFolder(final, overwrite=True),
    ):
        pass
    assert (final / "dicom" / "IMG00001.dcm").read_text() == "a patient"


def test_a_dicom_folder_is_replaced_inside_a_folder_that_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / "out"
    final.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == final)
    for text in ("old", "new"):
        with ResultFolder(final, overwrite=True) as partial:
            fill(partial, text)
            (partial / "dicom").mkdir()
            (partial / "dicom" / "seg.dcm").write_text(text)
    assert (final / "dicom" / "seg.dcm").read_text() == "new"
    with ResultFolder(final, overwrite=True) as partial:
        fill(partial)
    assert sorted(p.name for p in final.iterdir()) == sorted(NEEDED_FILES)
