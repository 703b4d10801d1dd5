"""What others say of our objects: dciodvfy (dicom3tools), dcmqi, and DCMTK.

They are programs of other people that read the standard for themselves. Each is skipped where it
is not installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nrrd
import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from groundglass.measurement.learned_route import with_learned
from groundglass.outputs.dicom.report_numbers import report_numbers
from groundglass.outputs.dicom.report_sr import make_report
from groundglass.outputs.dicom.save import save_dicom
from groundglass.outputs.dicom.segments import SEGMENTS

from ...io.dicom_builder import AXIAL, chest, grid, write_enhanced, write_series
from ...made_classification import made_classification
from .made_objects import Made, made, made_axial

AFFINES = {
    "descending": AXIAL @ np.diag([-1.0, 1, 1, 1]),
    "coronal": grid(steps=(3.0, 0.8, 0.7), order=(1, 2, 0)),
    "sagittal": grid(steps=(3.0, 0.8, 0.7), order=(0, 2, 1)),
    "oblique": grid((10.0, 20.0, 5.0)),
    "tilted": grid(tilt=12.0),
}
KINDS = ("axial", *AFFINES, "gapped", "enhanced", "compressed", "healthy", "real")


def write_scan(kind: str, folder: Path) -> None:
    affine = AFFINES.get(kind, AXIAL)
    if kind == "enhanced":
        folder.mkdir()
        write_enhanced(folder / "one.dcm", chest(), affine)
        return
    write_series(
        folder,
        chest(),
        affine,
        skip=(5, 6) if kind == "gapped" else (),
        syntax=RLELossless if kind == "compressed" else ExplicitVRLittleEndian,
    )


def tool(name: str, where: str | None = None) -> str:
    found = shutil.which(name, path=where)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module", params=KINDS)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cip_dir: Path
) -> tuple[str, Made, Path]:
    """A kind of scan, what was found in it, and the folder with seg.dcm and sr.dcm."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param != "real":
        write_scan(request.param, folder / "scan")
    scan = cip_dir / "ct-64Dicom" if request.param == "real" else folder / "scan"
    one = made(scan, ill=request.param != "healthy")
    one.save(folder)
    return request.param, one, folder


@pytest.mark.parametrize("name", ["seg", "sr"])
def test_dciodvfy_finds_no_error(written: tuple[str, Made, Path], name: str) -> None:
    done = run(tool("dciodvfy"), written[2] / f"{name}.dcm")
    assert done.returncode == 0
    assert not [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert {"seg": "Segmentation", "sr": "ComprehensiveSR"}[name] in done.stderr  # it knew the kind


def test_dcmqi_reads_the_masks_where_they_are(
    written: tuple[str, Made, Path], tmp_path: Path
) -> None:
    kind, one, folder = written
    reader = tool("segimage2itkimage", str(Path(sys.executable).parent))
    done = run(
        reader, "--inputDICOM", folder / "seg.dcm", "--outputDirectory", tmp_path, "-t", "nrrd"
    )
    assert done.returncode == 0, done.stderr
    has_source = np.zeros(one.volume.shape[0], bool)
    has_source[[frame.plane for frame in one.identity.frames]] = True
    present = [s for s in SEGMENTS if s.of(one.lungs, one.lesions)[has_source].any()]
    files = sorted(tmp_path.glob("*.nrrd"))
    assert len(files) == len(present) == (2 if kind == "healthy" else 3)
    for file, segment in zip(files, present, strict=True):
        wanted = segment.of(one.lungs, one.lesions) & has_source[:, None, None]
        values, header = nrrd.read(str(file))
        affine = np.eye(4)
        affine[:3, :3] = np.array(header["space directions"]).T
        affine[:3, 3] = header["space origin"]
        assert header["space"] == "left-posterior-superior"
        back = np.zeros_like(wanted)
        if kind == "tilted":  # dcmqi knows no shear: the voxels are right, their places are not
            planes = slices_of(values, wanted)
            back[planes] = values.T != 0
        else:
            voxels = np.argwhere(values != 0)
            places = np.c_[voxels, np.ones(len(voxels))] @ affine.T
            index = np.rint(np.linalg.solve(one.volume.affine, places.T).T[:, :3]).astype(int)
            back[tuple(index.T)] = True
        np.testing.assert_array_equal(back, wanted)


@pytest.mark.parametrize("kind", ["answers", "abstains"])
def test_others_read_what_a_classifier_says(tmp_path: Path, kind: str) -> None:
    """With numbers, and where the group of the classifier has words alone."""
    one = made_axial(tmp_path / "scan")
    reasons = () if kind == "answers" else ("The scan is unlike any it has seen.",)
    findings = with_learned(one.findings, made_classification(abstained=reasons))
    report = make_report(findings, identity=one.identity, segmentation=one.segmentation())
    save_dicom(report, tmp_path / "sr.dcm")
    done = run(tool("dciodvfy"), tmp_path / "sr.dcm")
    assert done.returncode == 0
    assert not [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert dcmqi_numbers(tmp_path) == {
        (n.group, n.code[0]): (n.value, n.unit[0]) for n in report_numbers(findings)
    }


def slices_of(values: np.ndarray, wanted: np.ndarray) -> slice:
    """The slices that dcmqi's box spans: from the first to the last frame of any segment."""
    last = wanted.shape[0]
    return slice(last - values.shape[2], last)


def dcmqi_numbers(folder: Path) -> dict[tuple[str, str], tuple[float, str]]:
    """Numbers with units that dcmqi reads from `folder`/sr.dcm, by group and code."""
    reader = tool("tid1500reader", str(Path(sys.executable).parent))
    out = folder / "measurements.json"
    done = run(reader, "--inputDICOM", folder / "sr.dcm", "--outputMetadata", out)
    assert done.returncode == 0, done.stderr
    return {
        (group["TrackingIdentifier"], item["quantity"]["CodeValue"]): (
            float(item["value"]),
            item["units"]["CodeValue"],
        )
        for group in json.loads(out.read_text())["Measurements"]
        for item in group.get("measurementItems", ())
    }


def test_dcmqi_reads_the_numbers(written: tuple[str, Made, Path]) -> None:
    _, one, folder = written
    assert dcmqi_numbers(folder) == {
        (n.group, n.code[0]): (n.value, n.unit[0]) for n in report_numbers(one.findings)
    }


def test_dcmtk_reads_the_report(written: tuple[str, Made, Path]) -> None:
    """Of the system: a Python package installs programs of the same names."""
    done = run(tool("dsrdump", "/usr/bin:/usr/local/bin"), written[2] / "sr.dcm")
    assert done.returncode == 0, done.stderr
    assert "Comprehensive SR Document" in done.stdout
    assert '"Imaging Measurement Report"' in done.stdout
    assert done.stdout.count("Measurement Group") == 4
    assert not [line for line in done.stderr.splitlines() if line.startswith("E:")]
