"""Which series of a study are analyzed, by which rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server.routing import SeriesHeaders, choose, fits, plan_study
from groundglass.server.rules import EVERY_CT, Rule
from groundglass.server.settings import AnalysisSettings, ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.spooled_study import Origin

CHEST = SeriesHeaders("1.1", "CT", "CHEST", 1.25, "Lung 1.25 B70f", "SCANNER1")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"modality": {"CT"}}, True),
        ({"modality": {"ct", "PT"}}, True),
        ({"modality": {"MR"}}, False),
        ({"body_part": {"Chest"}}, True),
        ({"body_part": {"HEAD"}}, False),
        ({"slice_thickness_mm": (1.25, 3)}, True),
        ({"slice_thickness_mm": (0, 1.25)}, True),
        ({"slice_thickness_mm": (1.3, 3)}, False),
        ({"calling_ae_title": {"SCANNER1"}}, True),
        ({"calling_ae_title": {"SCANNER2"}}, False),
        ({"series_description": "lung"}, True),
        ({"series_description": "^lung.*f$"}, True),
        ({"series_description": "scout"}, False),
        ({"modality": {"CT"}, "series_description": "scout"}, False),
    ],
)
def test_a_rule_fits_where_every_condition_holds(conditions: Any, expected: bool) -> None:
    assert fits(Rule(name="r", **conditions), CHEST) is expected


@pytest.mark.parametrize(
    "conditions",
    [
        {"modality": {"CT"}},
        {"body_part": {"CHEST"}},
        {"slice_thickness_mm": (0, 100)},
        {"calling_ae_title": {"A"}},
        {"series_description": "lung"},
    ],
)
def test_what_a_series_does_not_say_fails(conditions: Any) -> None:
    assert not fits(Rule(name="r", **conditions), SeriesHeaders("1.1"))


def test_the_first_rule_that_fits_decides() -> None:
    scout = Rule(name="scout", series_description="scout", action="ignore")
    thin = Rule(name="thin", slice_thickness_mm=(0, 2))
    rules = (scout, thin, EVERY_CT)
    series = [
        SeriesHeaders("1.1", "CT", series_description="Scout", slice_thickness_mm=1),
        SeriesHeaders("1.2", "CT", slice_thickness_mm=5),
        SeriesHeaders("1.3", "CT", slice_thickness_mm=1),
        SeriesHeaders("1.4", "SEG"),
        SeriesHeaders("1.5", "CT", slice_thickness_mm=2),
    ]
    assert choose(series, rules) == (thin, ("1.3", "1.5"))
    assert choose(series[:2], rules) == (EVERY_CT, ("1.2",))
    assert choose([series[0], series[3]], rules) is None
    assert choose([], rules) is None


@pytest.fixture
def sent(spool: Spool, small_chest: Phantom, tmp_path: Path) -> str:
    """A phantom with a scout and a second series in the spool; the study's UID."""
    import pydicom

    study = ""
    options = DicomOptions(scout="other", second_series=True)
    for path in write_dicom_series(small_chest, tmp_path / "scan", options):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        study = str(header.StudyInstanceUID)
        uids = str(header.SeriesInstanceUID), str(header.SOPInstanceUID)
        spool.receive(study, *uids, path, origin=Origin("dicom", "10.0.0.7", "SCANNER1"))
    return study


def test_the_plan_of_a_real_study(
    make_settings: Callable[..., ServeSettings], spool: Spool, sent: str
) -> None:
    study = spool.study(sent)
    assert study
    rules = [
        {"name": "other", "calling_ae_title": ["SCANNER2"]},
        {"name": "chest", "modality": ["CT"], "calling_ae_title": ["SCANNER1"], "dicom": ["sr"],
         "send_to": ["pacs"]},
    ]  # fmt: skip
    peers = {"pacs": {"kind": "dicom", "ae_title": "PACS", "host": "pacs", "port": 104}}
    default = AnalysisSettings(lesion_model="chs-net")
    plan = plan_study(study, make_settings(rules=rules, peers=peers, analysis=default))
    assert plan
    assert (plan.rule, plan.dicom, plan.lesion_model) == ("chest", ("sr",), "chs-net")
    assert plan.send_to == ("pacs",)
    assert {uid: tuple(sops) for uid, sops in plan.series.items()} == study.series


def test_results_that_come_back_are_no_new_job(
    make_settings: Callable[..., ServeSettings], spool: Spool, sent: str
) -> None:
    """An archive may forward our own SEG to us: the series to analyze are still the same."""
    settings = make_settings(rules=(EVERY_CT,))
    before = spool.study(sent)
    assert before
    first = plan_study(before, settings)
    spool.receive(sent, "1.99", "1.99.1", b"no CT", origin=Origin("dicom"))
    after = spool.study(sent)
    assert after
    second = plan_study(after, settings)
    assert first
    assert second
    assert after.content != before.content
    assert second.content == first.content


def test_a_broken_header_is_not_quoted(
    settings: ServeSettings, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    spool.receive("1.2", "1.3", "1.4", b"DOE^JANE is no DICOM", origin=Origin("dicom"))
    study = spool.study("1.2")
    assert study
    assert plan_study(study, settings)  # its rule has no condition
    assert "a header cannot be read" in caplog.text
    assert "JANE" not in caplog.text
