"""The section on the two routes: table, alerts, plot and maps in every case there is."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from groundglass.classification import ScanClassification
from groundglass.errors import GeometryError, OutputError
from groundglass.findings import Findings
from groundglass.measurement import MeasureSettings, measure
from groundglass.measurement.learned_route import with_learned
from groundglass.measurement.uncertainty import LesionProbability
from groundglass.outputs.report import ReportInputs
from groundglass.outputs.report.attention_plot import plot_attention
from groundglass.outputs.report.pictures import Picture, draw_regions
from groundglass.outputs.report.route_section import RouteSection, build_section
from groundglass.outputs.report.route_table import route_alerts, route_rows
from groundglass.outputs.report.scene import Scene
from groundglass.outputs.report.write import render_report

from ...made_classification import RULE, made_classification, made_head
from .test_report import check

FINE = MeasureSettings(coarsest_pixel_mm=6.0)
SLICES = tuple(range(2, 22, 2))
WEIGHTS = (0.02, 0.3, 0.2, 0.1, 0.08, 0.08, 0.07, 0.06, 0.05, 0.04)


def region(shape: tuple[int, ...]) -> np.ndarray:
    """A map over the front of the patient's left half."""
    out = np.zeros(shape[1:], np.float32)
    out[: shape[1] // 2, shape[2] // 2 :] = 1
    return out


def answer(findings: float = 0.9, severe: float = 0.2, **changes: object) -> ScanClassification:
    regions = {d: region((24, 40, 48)) for d in (4, 6, 8, 10)}
    heads = {
        "diagnosis": made_head(findings, WEIGHTS, regions=regions),
        "severity": made_head(severe, WEIGHTS[::-1], regions={20: regions[4]}),
    }
    return made_classification(slices=SLICES, **{**heads, **changes})


@pytest.fixture
def mild(case) -> Findings:
    chance = case.lesions * np.uint8(240)
    return measure(
        case.volume, case.lungs, case.lesions, settings=FINE,
        probability=LesionProbability(chance, 0.5, is_calibrated=True),
    )  # fmt: skip


def inputs_of(case, findings: Findings, answer: ScanClassification | None) -> ReportInputs:
    return ReportInputs(case.volume, case.lungs, case.lesions, findings, classification=answer)


def rendered(case, mild: Findings, said: ScanClassification | None) -> str:
    findings = mild if said is None else with_learned(mild, said)
    text = render_report(inputs_of(case, findings, said))
    check(text)
    return text


def section_of(case, mild: Findings, said: ScanClassification) -> RouteSection:
    findings = with_learned(mild, said)
    return build_section(Scene.build(inputs_of(case, findings, said)), findings, said)


def cells(findings: Findings) -> dict[str, tuple[str, str]]:
    return {row.label: (row.measured, row.learned) for row in route_rows(findings)}


def page(text: str) -> str:
    """What is shown: the text behind the style sheet."""
    return text[text.index("</style>") :]


class TestTable:
    def test_both_routes_side_by_side(self, mild: Findings) -> None:
        said = cells(with_learned(mild, answer()))
        assert said["Answer"] == ("mild", "mild")
        assert said["Figures"][1] == "findings 0.90; severe 0.20"
        assert said["Borders"] == (
            "mild from 0.3\u00a0%, severe from 25\u00a0% of the lungs",
            f"findings from 0.50, severe from 0.50 (both: {RULE})",
        )
        assert said["How sure"][0].startswith("Clear: range ")
        assert said["How sure"][1].startswith("Calibrated")
        assert said["Made by"][1] == "made 3, learned from 9 scans (CC0-1.0)"
        assert "Not used, because" not in said
        assert "To bear in mind" not in said

    def test_without_a_classifier_one_side_is_empty(self, mild: Findings) -> None:
        assert all(row.learned == "" for row in route_rows(mild))

    def test_a_normal_scan_is_not_asked_for_severity(self, mild: Findings) -> None:
        said = cells(with_learned(mild, answer(0.1, 0.97)))
        assert said["Answer"] == ("mild", "normal")
        assert "0.97" not in said["Figures"][1]

    def test_calibration_in_words(self, mild: Findings) -> None:
        rough = made_head(0.2, WEIGHTS, is_calibrated=False)
        one = cells(with_learned(mild, answer(severity=rough)))["How sure"][1]
        assert one.split("\n") == [
            "Findings: calibrated, on scans like those it was fitted to a chance.",
            "Severe: not calibrated, it ranks scans and is no chance.",
        ]
        none = answer(diagnosis=replace(rough, probability=0.8), severity=rough)
        assert cells(with_learned(mild, none))["How sure"][1].startswith("Not calibrated")

    def test_two_rules_are_both_told(self, mild: Findings) -> None:
        other = replace(made_head(0.2, WEIGHTS), threshold=0.7, threshold_rule="sensitivity 0.95.")
        text = cells(with_learned(mild, answer(severity=other)))["Borders"][1]
        assert text == f"findings from 0.50 ({RULE})\nsevere from 0.70 (sensitivity 0.95)"

    def test_made_up_scans_are_no_patients(self, mild: Findings) -> None:
        said = cells(with_learned(mild, answer(0.9, 0.9, trained_on="a cohort of phantoms")))
        assert said["Answer"][1] == "class severe of made-up scans"
        assert "nothing about patients" in said["To bear in mind"][1]


class TestReport:
    def test_agreeing(self, case, mild: Findings) -> None:
        text = rendered(case, mild, answer())
        assert "Both routes say mild." in text
        assert 'class="alerts"' not in text
        for words in (
            "Route 2: the learned head",
            "What carried the learned answer",
            "say where the head looked, not why",
            "from violet (weak) over pink to yellow",
            "the 5 slices of 10 with the greatest weights hold 76\u00a0% of the weight; spread "
            "evenly they would hold 50\u00a0%",
        ):
            assert words in text, words

    def test_differing_is_said_at_the_head(self, case, mild: Findings) -> None:
        text = page(rendered(case, mild, answer(0.9, 0.9)))
        head = text[: text.index("<main>")]
        assert "The two routes differ: the measured share says mild" in head
        assert 'class="agreement differ"' in text

    def test_an_abstaining_head_is_shown_with_its_reason_alone(self, case, mild: Findings) -> None:
        said = answer(0.93, 0.87, abstained=("Slices are 10 mm apart.",))
        text = page(rendered(case, mild, said))
        assert "The learned head abstains. Slices are 10 mm apart." in text[: text.index("<main>")]
        assert "abstains</td>" in text
        for words in ("0.93", "0.87", "severe</td>", "What carried", "Grad-CAM", 'plot attention"'):
            assert words not in text, words

    def test_without_a_classifier_it_is_said(self, case, mild: Findings) -> None:
        text = page(rendered(case, mild, None))
        assert "No classifier was given, so there is no learned answer to compare with." in text
        assert "Route 2" not in text
        assert 'class="alerts"' not in text

    def test_a_share_that_is_not_reliable(self, case) -> None:
        coarse = case.findings  # pixels of 6 mm, by the usual settings
        text = page(rendered(case, coarse, answer()))
        assert "Pixels of 6.0 mm are coarser than 2.5 mm" in text[: text.index("<main>")]
        assert "<td>not reliable</td>" in text
        assert text.count('<span class="pill">not reliable</span>') == 2

    def test_a_normal_scan_shows_one_head(self, case, mild: Findings) -> None:
        text = page(rendered(case, mild, answer(0.1)))
        assert "Findings or normal: slices" in text
        assert "Severe or mild: slices" not in text
        assert 'class="head severity"' not in text

    def test_missing_maps_are_explained(self, case, mild: Findings) -> None:
        bare = {"diagnosis": made_head(0.9, WEIGHTS), "severity": made_head(0.2, WEIGHTS)}
        said = answer(**bare, regions_missing="maps need torch: pip install 'groundglass[train]'.")
        text = rendered(case, mild, said)
        assert "No maps of regions: maps need torch: pip install" in text
        assert "Grad-CAM" not in page(text)

    def test_few_slices_and_kept_findings_have_no_plot(self, case, mild: Findings) -> None:
        weights = (0.4, 0.6)
        heads = {"diagnosis": made_head(0.9, weights), "severity": made_head(0.2, weights)}
        two = made_classification(slices=(5, 9), **heads)
        assert "No plot of the slices: fewer than three" in rendered(case, mild, two)
        kept = with_learned(mild, answer())
        text = render_report(inputs_of(case, kept, None))
        assert "No plot of the slices: the weights of all slices were not kept." in text

    def test_text_from_outside_is_escaped(self, case, mild: Findings) -> None:
        text = rendered(case, mild, answer(trained_on="<b>x</b>", abstained=("<i>y</i>",)))
        assert "<b>x</b>" not in text
        assert "<i>y</i>" not in text

    def test_what_does_not_fit_is_refused(self, case, mild: Findings) -> None:
        with pytest.raises(OutputError, match="classification by 'made' is not in the findings"):
            inputs_of(case, mild, answer())
        small = answer(diagnosis=made_head(0.9, WEIGHTS, regions={4: np.zeros((9, 9))}))
        with pytest.raises(GeometryError, match=r"map of diagnosis for slice 4 has shape \(9, 9\)"):
            inputs_of(case, with_learned(mild, small), small)
        off = answer(diagnosis=made_head(0.9, WEIGHTS, regions={24: region((24, 40, 48))}))
        with pytest.raises(GeometryError, match="map of diagnosis for slice 24"):
            inputs_of(case, with_learned(mild, off), off)


def test_alerts_are_differences_and_abstentions(case, mild: Findings) -> None:
    assert route_alerts(with_learned(mild, answer())) == ()
    assert route_alerts(mild) == ()
    both = with_learned(case.findings, answer(abstained=("Why.",)))
    assert [text.split(",")[0] for text in route_alerts(both)] == [
        "The measured share",
        "The learned head abstains. Why.",
    ]


class TestPlot:
    def test_a_point_for_each_slice_at_its_weight(self, case, mild: Findings) -> None:
        said = answer()
        scene = Scene.build(inputs_of(case, mild, None))
        plot = plot_attention(scene, said, ["diagnosis", "severity"], [4, 6])
        assert plot is not None
        first, second = plot.heads
        assert len(first.dots) == len(SLICES)
        heights = [y for _, y in first.dots]
        assert heights.index(min(heights)) == WEIGHTS.index(max(WEIGHTS))
        assert [y for _, y in second.dots] == heights[::-1]
        steps = np.diff([x for x, _ in first.dots])
        np.testing.assert_allclose(steps, steps[0], atol=0.11)
        top, bottom = plot.weight_panel
        scale = plot.weight_ticks[-1]
        assert scale.at == top
        assert first.dots[0][1] == pytest.approx(
            bottom - 2.0 / float(scale.text) * (bottom - top), abs=0.06
        )
        assert plot.even == pytest.approx(
            bottom - 10.0 / float(scale.text) * (bottom - top), abs=0.06
        )
        assert list(plot.markers) == [first.dots[1][0], first.dots[2][0]]
        assert "findings 30 % at slice 5 of 24" in plot.alt

    def test_slices_in_any_order_and_beyond_the_lungs(self, case, mild: Findings) -> None:
        scene = Scene.build(inputs_of(case, mild, None))
        weights = (0.2, 0.5, 0.3)
        heads = {"diagnosis": made_head(0.9, weights), "severity": made_head(0.2, weights)}
        said = made_classification(slices=(23, 0, 12), **heads)
        plot = plot_attention(scene, said, ["diagnosis"], [])
        assert plot is not None
        across = [x for x, _ in plot.heads[0].dots]
        assert across == [plot.left, pytest.approx(across[1]), plot.right]
        assert across == sorted(across)


def pixels(picture: Picture) -> np.ndarray:
    raw = base64.b64decode(picture.uri.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"), dtype=float)


class TestMaps:
    def color(self, picture: Picture) -> Iterator[float]:
        """How colored the quarters are: front right, front left, back right, back left."""
        image = pixels(picture)
        spread = image.max(axis=2) - image.min(axis=2)
        rows, columns = spread.shape[0] // 2, spread.shape[1] // 2
        for half in (spread[:rows], spread[rows:]):
            yield float(np.median(half[:, :columns]))
            yield float(np.median(half[:, columns:]))

    def test_color_lies_where_the_map_is(self, case, mild: Findings) -> None:
        scene = Scene.build(inputs_of(case, mild, None))
        picture = draw_regions(
            scene, 8, region((24, 40, 48)), longest=300, texts=("title", "detail", "alt")
        )
        quarters = list(self.color(picture))
        assert quarters[1] > 80
        assert max(quarters[0], quarters[2], quarters[3]) < 20
        assert [layer.kind for layer in picture.layers] == ["outline"]
        image = pixels(picture)
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        red, green, blue = np.median(image[:rows, columns:], axis=(0, 1))
        assert min(red, green) > blue + 60  # the strongest place is yellow

    def test_what_is_colored_beyond_the_lungs_is_shown(self, case, mild: Findings) -> None:
        scene = Scene.build(inputs_of(case, mild, None))
        corner = np.zeros((40, 48), np.float32)
        narrow = draw_regions(scene, 8, corner, longest=300, texts=("", "", ""))
        corner[0, 0] = 1
        wide = draw_regions(scene, 8, corner, longest=300, texts=("", "", ""))
        rows, columns = scene.box[1:]
        assert narrow.width / narrow.height == pytest.approx(
            (columns.stop - columns.start) / (rows.stop - rows.start), rel=0.02
        )
        assert wide.width / wide.height == pytest.approx(columns.stop / rows.stop, rel=0.02)
        assert wide.width / wide.height != pytest.approx(narrow.width / narrow.height, rel=0.005)

    def test_the_greatest_weights_first(self, case, mild: Findings) -> None:
        section = section_of(case, mild, answer())
        first, second = section.maps
        assert [p.title.split(",")[0] for p in first.pictures] == [
            "Slice 5 of 24",
            "Slice 7 of 24",
            "Slice 9 of 24",
        ]
        assert [p.detail for p in first.pictures] == [
            f"{share}\u00a0% of the weight; map up to 100\u00a0% of the strongest"
            for share in ("30.0", "20.0", "10.0")
        ]
        assert [p.title.split(",")[0] for p in second.pictures] == ["Slice 21 of 24"]
        assert re.fullmatch(
            r"Axial slice 5 of 24, z .* mm under the map of regions, findings or normal; "
            "lesions outlined.",
            first.pictures[0].alt,
        )

    def test_how_far_a_map_reaches_is_said(self, case, mild: Findings) -> None:
        faint = {
            d: np.full((40, 48), high, np.float32) for d, high in ((4, 0), (6, 0.004), (8, 0.12))
        }
        section = section_of(case, mild, answer(diagnosis=made_head(0.9, WEIGHTS, regions=faint)))
        assert [p.detail.split("; ")[1] for p in section.maps[0].pictures] == [
            "map up to 0\u00a0% of the strongest",
            "map below 1\u00a0% of the strongest",
            "map up to 12\u00a0% of the strongest",
        ]

    def test_what_the_maps_speak_for(self, case, mild: Findings) -> None:
        assert "what speaks for findings and for severe, whatever the answer is" in (
            section_of(case, mild, answer()).maps_note
        )
        assert "what speaks for findings, whatever" in section_of(case, mild, answer(0.1)).maps_note


def test_each_reason_has_a_line(case, mild: Findings) -> None:
    text = page(rendered(case, mild, answer(abstained=("Too <few> slices.", "Too loud."))))
    assert "<td>Too &lt;few&gt; slices.<br>Too loud.</td>" in text
