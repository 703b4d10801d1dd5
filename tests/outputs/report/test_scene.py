"""What is shown where: radiological order, choice of slices, contours."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from groundglass.geometry import AxisOrder
from groundglass.outputs.report import ReportInputs
from groundglass.outputs.report.charts import percent_text, plot_profile, zone_tiles
from groundglass.outputs.report.pictures import (
    Picture,
    contour_path,
    draw_axial,
    draw_coronal,
    draw_sagittal,
)
from groundglass.outputs.report.scene import (
    Scene,
    choose_even,
    choose_most_involved,
    dice,
    pooled_dice,
)


def scene_of(case) -> Scene:
    return Scene.build(ReportInputs(case.volume, case.lungs, case.lesions, case.findings))


def pixels(picture: Picture) -> np.ndarray:
    raw = base64.b64decode(picture.uri.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(raw)).convert("L"), dtype=float)


def lesion_center(picture: Picture) -> tuple[float, float]:
    """(x, y) as fractions of the picture."""
    path = next(layer.path for layer in picture.layers if layer.kind == "lesion")
    points = path.replace("M", " ").replace("L", " ").replace("Z", " ").split()
    x = np.array(points[0::2], dtype=float).mean() / picture.width
    y = np.array(points[1::2], dtype=float).mean() / picture.height
    return float(x), float(y)


def test_right_is_left_and_front_is_up(case) -> None:
    """The lesion lies in the patient's right lung, low and toward the back."""
    scene = scene_of(case)
    d = int(scene.counts.lesion.sum(axis=1).argmax())
    axial = draw_axial(scene, d, longest=300)
    assert axial.letters == ("R", "L", "A", "P")
    x, y = lesion_center(axial)
    assert x < 0.5 < y
    coronal = draw_coronal(scene, longest=300)
    assert coronal.letters == ("R", "L", "H", "F")
    x, y = lesion_center(coronal)
    assert x < 0.5 < y
    sagittal = draw_sagittal(scene, longest=300)
    assert sagittal.letters == ("A", "P", "H", "F")
    x, y = lesion_center(sagittal)
    assert x > 0.5
    assert y > 0.5
    assert sagittal.detail.startswith("right lung")


def test_pictures_do_not_depend_on_the_order_of_axes(case) -> None:
    order = AxisOrder((2, 0, 1), (True, False, True))
    volume = replace(
        case.volume,
        array=order.apply(case.volume.array),
        affine=order.apply_to_affine(case.volume.affine, case.volume.shape),
    )
    turned = ReportInputs(volume, order.apply(case.lungs), order.apply(case.lesions), case.findings)
    for draw in (draw_coronal, draw_sagittal):
        a, b = draw(scene_of(case), longest=200), draw(Scene.build(turned), longest=200)
        assert (a.uri, a.layers) == (b.uri, b.layers)


def test_proportions_are_true(case) -> None:
    scene = scene_of(case)
    rows, columns = (part.stop - part.start for part in scene.box[1:])
    depth = scene.box[0].stop - scene.box[0].start
    axial, coronal = draw_axial(scene, 12, longest=400), draw_coronal(scene, longest=400)
    assert axial.width / axial.height == pytest.approx(columns / rows, rel=0.01)
    assert coronal.width / coronal.height == pytest.approx(columns * 6 / (depth * 8), rel=0.01)
    assert max(axial.width, axial.height) == 400


def test_lung_window(case) -> None:
    scene = scene_of(case)
    gray = scene.gray(np.array([[-2000, -1350, -600, 150, 900]], dtype=np.int16))
    assert gray.tolist() == [[0, 0, 128, 255, 255]]
    image = pixels(draw_axial(scene, 12, longest=200))
    assert image.max() > 200
    assert image.min() < 110


def test_most_involved_are_apart_and_head_first() -> None:
    lesion = np.zeros(100, dtype=int)
    lesion[20:80] = np.r_[np.arange(30), np.arange(30)[::-1]]
    chosen = choose_most_involved(lesion, 6)
    assert len(chosen) == 6
    assert chosen == sorted(chosen, reverse=True)
    assert min(-np.diff(chosen)) >= 5
    assert {49, 50} & set(chosen)
    assert choose_most_involved(np.zeros(5, dtype=int), 6) == []
    assert choose_most_involved(np.array([0, 3, 0]), 6) == [1]


def test_even_sample_spans_the_lungs() -> None:
    assert choose_even(3, 5, 12) == [5, 4, 3]
    chosen = choose_even(10, 109, 10)
    assert chosen == [105, 95, 85, 75, 65, 55, 45, 35, 25, 15]
    assert choose_even(4, 4, 12) == [4]


def test_contour_surrounds_the_mask() -> None:
    mask = np.zeros((10, 10), dtype=bool)
    assert contour_path(mask, (100, 100)) == ""
    mask[4:6, 2:8] = True
    path = contour_path(mask, (100, 100))
    numbers = np.array(path.strip("MZ").replace("L", " ").split(), dtype=float).reshape(-1, 2)
    np.testing.assert_allclose(numbers.min(axis=0), (20, 40), atol=1.5)
    np.testing.assert_allclose(numbers.max(axis=0), (80, 60), atol=1.5)


def test_single_voxels_are_not_lost() -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[30, 30] = True
    assert contour_path(mask, (512, 512))


def test_dice() -> None:
    a, b = np.zeros((2, 2, 2), dtype=int), np.zeros((2, 2, 2), dtype=int)
    assert dice(a, b) is None
    assert pooled_dice(a, b) is None
    a[0, 0, :] = 1
    b[0, :, 0] = 1
    assert dice(a, b) == pooled_dice(a, b) == 0.5


def test_profile_plot(case, make_case) -> None:
    scene = scene_of(case)
    plot = plot_profile(scene, [8, 10])
    assert plot is not None
    assert len(plot.markers) == 2
    assert plot.left < plot.markers[0] < plot.markers[1] < plot.right
    assert plot.y_ticks[0].at == plot.bottom
    assert plot.y_ticks[-1].at == plot.top
    assert "−" in plot.x_ticks[0].text
    assert plot_profile(scene_of(make_case((2, 40, 48))), []) is None


def test_zone_tiles_follow_the_findings(case) -> None:
    tiles = {(t.side, t.name): t for t in zone_tiles(case.findings)}
    assert tiles["right", "lower"].points > tiles["right", "upper"].points
    assert tiles["left", "upper"].points == 0
    assert tiles["right", "upper"].y < tiles["right", "lower"].y


def test_percent_text() -> None:
    assert [percent_text(s) for s in (None, 0.0, 0.04, 12.345)] == [
        "–",
        "0.0\u00a0%",
        "<\u00a00.1\u00a0%",
        "12.3\u00a0%",
    ]
