"""Which image each slice is of."""

from __future__ import annotations

from pathlib import Path

from groundglass.outputs.dicom.sources import SourceFrame, image_item, instance_items

from .made_objects import made_axial


def test_filled_in_planes_have_no_frame(tmp_path: Path) -> None:
    one = made_axial(tmp_path / "scan", skip=(3, 4))
    assert [frame.plane for frame in one.identity.frames] == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]
    assert one.identity.frames[3].position_mm == (-20.0, -30.0, -90.0)
    assert one.identity.frames[3].number is None


def test_references_name_frames_only_of_multi_frame_objects() -> None:
    frames = [SourceFrame(0, "1.2", 3, (0, 0, 0)), SourceFrame(1, "1.2", 1, (0, 0, 1))]
    assert image_item(frames, "9.9").ReferencedFrameNumber == [3, 1]
    assert image_item(frames[:1], "9.9").ReferencedFrameNumber == 3
    assert "ReferencedFrameNumber" not in image_item(frames, "9.9", with_frames=False)
    single = [SourceFrame(0, "1.5", None, (0, 0, 0)), SourceFrame(1, "1.4", None, (0, 0, 1))]
    assert "ReferencedFrameNumber" not in image_item(single[:1], "9.9")
    items = instance_items([*frames, *single], "9.9")
    assert [item.ReferencedSOPInstanceUID for item in items] == ["1.2", "1.5", "1.4"]
    assert all("ReferencedFrameNumber" not in item for item in items)
