"""Who belongs to whom, by name; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.errors import InputError, SettingsError, UnreadableError
from groundglass.evaluation.pair_lists import read_pairs, with_groups, with_images
from groundglass.evaluation.pairing import Pair, match_names, pair_paths


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


class TestNames:
    @pytest.mark.parametrize(
        ("prediction", "reference"),
        [
            (["a", "b"], ["a", "b"]),
            (["a_pred", "b_pred"], ["a", "b"]),
            (["pred-Case_01", "pred-Case_02"], ["case_01_mask", "case_02_mask"]),
            (["modelX_covid_001_e50", "modelX_covid_002_e50"], ["covid_001", "covid_002"]),
            (["001", "002"], ["study_001", "study_002"]),
            (["a_lesions", "a_lungs"], ["a_infection"]),
            (["run_a", "run_b", "run_z"], ["a_gt", "b_gt", "c_gt"]),
        ],
    )
    def test_partners(self, prediction: list[str], reference: list[str]) -> None:
        found = match_names(prediction, reference)
        wanted = {r: p for p, r in zip(prediction, reference, strict=False) if p[-2:] != "_z"}
        assert found == {r: p for r, p in wanted.items() if r != "c_gt"}

    def test_numbers_are_never_taken_for_an_ending(self) -> None:
        assert match_names(["a_1", "b_1"], ["a", "b"]) == {}
        assert match_names(["case_2_1"], ["1"]) == {}

    def test_lungs_are_never_compared_with_lesions(self) -> None:
        assert match_names(["a_lungs"], ["a_lesions"]) == {}

    def test_one_partner_among_many_is_no_rule(self) -> None:
        assert match_names(["x_a", "y_b"], ["a", "b"]) == {}

    def test_ambiguous_names_are_all_listed(self) -> None:
        with pytest.raises(InputError, match=r"a_pred and a_seg with a; b_pred and b_seg with b"):
            match_names(["a_pred", "a_seg", "b_pred", "b_seg"], ["a", "b"])


class TestFolders:
    def test_formats_and_channels(self, tmp_path: Path) -> None:
        made = touch(tmp_path / "p", "a.nrrd", "b_0000.nii.gz", "notes.txt", "._a.nii")
        true = touch(tmp_path / "r", "a.nii.gz", "b.png")
        pairs = pair_paths(made, true).pairs
        assert [(p.case_id, p.prediction[0].name) for p in pairs] == [
            ("a", "a.nrrd"),
            ("b", "b_0000.nii.gz"),
        ]

    def test_missing_predictions(self, tmp_path: Path) -> None:
        made = touch(tmp_path / "p", "a.nii", "x.nii")
        true = touch(tmp_path / "r", "a.nii", "b.nii", "c.nii")
        with pytest.raises(InputError, match=r"2 of 3 .*: b, c; predictions left over: x"):
            pair_paths(made, true)
        pairing = pair_paths(made, true, allow_missing=True)
        assert [bool(pair.prediction) for pair in pairing.pairs] == [True, False, False]
        assert pairing.unused == ("x",)

    def test_nothing_matching_is_no_missing_prediction(self, tmp_path: Path) -> None:
        made, true = touch(tmp_path / "p", "x.nii"), touch(tmp_path / "r", "a.nii")
        with pytest.raises(InputError, match="1 of 1 references"):
            pair_paths(made, true, allow_missing=True)

    def test_our_result_folders(self, tmp_path: Path) -> None:
        names = [f"{c}/{n}" for c in "ab" for n in
                 ("lungs.nii.gz", "lesions.nii.gz", "findings.json")]  # fmt: skip
        made = touch(tmp_path / "p", *names, "cohort.csv")
        true = touch(tmp_path / "r", "a.nii", "b.nii")
        assert [p.prediction[0].name for p in pair_paths(made, true).pairs] == 2 * [
            "lesions.nii.gz"
        ]
        chosen = pair_paths(made, true, prediction_file="lungs.nii.gz")
        assert chosen.pairs[1].prediction == (made / "b" / "lungs.nii.gz",)
        assert pair_paths(made / "a", true / "a.nii").pairs[0].prediction[0].name == (
            "lesions.nii.gz"
        )

    def test_folders_with_a_file_for_each_structure(self, tmp_path: Path) -> None:
        made = touch(tmp_path / "p", "a/lung_left.nii.gz", "a/lung_right.nii.gz", "a/heart.nii.gz")
        true = touch(tmp_path / "r", "a.nii")
        with pytest.raises(InputError, match=r"3 masks: heart.*--prediction-file"):
            pair_paths(made, true)
        pair = pair_paths(made, true, prediction_file="lung_*").pairs[0]
        assert [path.name for path in pair.prediction] == ["lung_left.nii.gz", "lung_right.nii.gz"]

    def test_two_files_need_no_names(self, tmp_path: Path) -> None:
        touch(tmp_path, "what.nii.gz", "ever.nrrd")
        pair = pair_paths(tmp_path / "what.nii.gz", tmp_path / "ever.nrrd").pairs[0]
        assert pair.case_id == "ever"

    def test_what_cannot_be(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableError, match="does not exist"):
            pair_paths(tmp_path / "nowhere", tmp_path)
        with pytest.raises(InputError, match="holds no mask"):
            pair_paths(tmp_path, tmp_path)
        twice = touch(tmp_path / "t", "a.nii", "a.nrrd")
        with pytest.raises(InputError, match="several files for a"):
            pair_paths(twice, twice)


class TestPairsFile:
    def test_pairs_groups_and_missing(self, tmp_path: Path) -> None:
        made, true = touch(tmp_path / "p", "1.nii"), touch(tmp_path / "r", "a.nii", "b.nii")
        table = tmp_path / "pairs.csv"
        table.write_text("prediction,reference,case,group\n1.nii,a.nii,A,P\n,b.nii,,\n")
        pairs = read_pairs(table, made, true, allow_missing=True).pairs
        assert [(p.case_id, p.group, len(p.prediction)) for p in pairs] == [
            ("A", "P", 1),
            ("b", "", 0),
        ]

    def test_all_troubles_at_once(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.nii")
        table = tmp_path / "pairs.csv"
        table.write_text("prediction,reference\nno.nii,a.nii\n,a.nii\na.nii,\n")
        with pytest.raises(
            InputError, match=r"no.nii is no file; line 3 .*; line 4 .*case a stands there twice"
        ):
            read_pairs(table, tmp_path, tmp_path)
        table.write_text("pred,ref\n")
        with pytest.raises(InputError, match="also prediction, reference"):
            read_pairs(table, tmp_path, tmp_path)


class TestGroups:
    PAIRS = (Pair("rp_29_1", (), ()), Pair("rp_29_2", (), ()), Pair("rp_3_1", (), ()))

    def groups(self, rule: str | None) -> list[str]:
        return [pair.group for pair in with_groups(self.PAIRS, rule)]

    def test_expression(self) -> None:
        assert self.groups(r"^(rp_\d+)_") == ["rp_29", "rp_29", "rp_3"]
        assert self.groups(r"^rp_\d+") == ["rp_29", "rp_29", "rp_3"]
        assert self.groups(None) == ["rp_29_1", "rp_29_2", "rp_3_1"]

    def test_table(self, tmp_path: Path) -> None:
        table = tmp_path / "index.csv"
        table.write_text("scan_id,patient_id\nrp_29_1,x\nrp_29_2,x\nrp_3_1,y\nother,z\n")
        assert self.groups(str(table)) == ["x", "x", "y"]

    def test_cases_without_a_group_are_listed(self) -> None:
        with pytest.raises(InputError, match="no group to rp_29_1, rp_29_2"):
            self.groups(r"rp_\d_\d")
        with pytest.raises(SettingsError, match="no regular expression"):
            self.groups("(")


def test_images_by_name(tmp_path: Path) -> None:
    images = touch(tmp_path, "a_0000.nii.gz", "ct_b.nii.gz")
    pairs = with_images((Pair("a", (), ()), Pair("b", (), ()), Pair("c", (), ())), images)
    assert [pair.image and pair.image.name for pair in pairs] == [
        "a_0000.nii.gz",
        "ct_b.nii.gz",
        None,
    ]
