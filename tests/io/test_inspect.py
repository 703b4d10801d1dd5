"""`inspect_input` and the command over it."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import typer
from typer.testing import CliRunner

from groundglass.cli.inspect_command import inspect
from groundglass.io.inspect import inspect_input

from .dicom_builder import chest, write_series

app = typer.Typer()
app.command("inspect")(inspect)


def folder_of_trouble(folder):
    write_series(folder, chest(), series_uid="1.2.1", prefix="a")
    write_series(folder, chest(seed=1), series_uid="1.2.2", prefix="b", skip=(5,))
    write_series(
        folder,
        chest((1, 24, 20)),
        series_uid="1.2.3",
        prefix="c",
        change=lambda dataset, _: setattr(dataset, "ImageType", ["O", "P", "LOCALIZER"]),
    )
    write_series(folder, chest((3, 24, 20)), series_uid="1.2.1", prefix="e", skip=(0, 2))
    (folder / "notes.txt").write_text("hello")
    return folder


def test_series_with_reasons(tmp_path):
    found = inspect_input(folder_of_trouble(tmp_path))
    by_id = {candidate.id: candidate for candidate in found.candidates}
    assert set(by_id) == {"1.2.1", "1.2.2", "1.2.3"}
    assert "different pixels" in by_id["1.2.1"].reasons[0]
    assert by_id["1.2.1"].duplicates == 1
    gappy = by_id["1.2.2"]
    assert not gappy.fit
    assert gappy.missing_mm == (-90.0,)
    assert gappy.orientation == "SPL"
    assert gappy.spacing_mm == (2.0, 0.8, 0.7)
    assert gappy.intensity == "hu"
    assert by_id["1.2.3"].reasons == ("it is a scout (localizer)",)
    assert found.chosen == ""
    assert "--allow-gaps" in found.error
    assert found.ignored == {"not DICOM": 1}
    allowed = inspect_input(tmp_path, allow_gaps=True)
    assert allowed.chosen == "1.2.2"
    assert allowed.choice == "the only one of 3 series that fits"


def test_pixels_that_do_not_decode_make_unfit(tmp_path):
    write_series(tmp_path, chest())
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-100])
    found = inspect_input(tmp_path)
    assert not found.chosen
    assert "ends early" in found.error


def test_command(tmp_path):
    write_series(tmp_path / "d", chest(), series_uid="1.2.1")
    result = CliRunner().invoke(app, [str(tmp_path / "d"), "--json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["chosen"] == "1.2.1"
    assert told["candidates"][0]["shape"] == [12, 24, 20]
    result = CliRunner().invoke(app, [str(tmp_path / "d")])
    assert "analyze takes 1.2.1: the only series" in result.stdout
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), tmp_path / "a.nii")
    for path in (tmp_path / "missing", tmp_path / "a.nii"):
        result = CliRunner().invoke(app, [str(path), "--json"])
        assert result.exit_code == 1
        assert json.loads(result.stdout)["error"]
        assert CliRunner().invoke(app, [str(path)]).exit_code == 1
    result = CliRunner().invoke(app, [str(tmp_path / "d"), "--intensity", "nonsense"])
    assert result.exit_code == 2
