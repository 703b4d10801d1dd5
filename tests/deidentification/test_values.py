"""New values: dates that move, words that stay, dummies that say nothing."""

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from groundglass.deidentification.values import (
    WORDS,
    cap_age,
    clean_words,
    dummy_value,
    shift_date,
)


@pytest.mark.parametrize(
    ("text", "vr", "days", "moved"),
    [
        ("20210301", "DA", -1, "20210228"),
        ("20200301", "DA", -1, "20200229"),
        ("2021.03.01", "DA", -1, "20210228"),
        ("20210301083000.123456+0100", "DT", -60, "20201231083000.123456+0100"),
        ("20210301", "DT", 1, "20210302"),
        ("202103", "DT", -31, "202102"),
        ("2021", "DT", -365, "2020"),
        ("083000.5", "TM", -9, "083000.5"),
        ("yesterday", "DA", -1, ""),
        ("20211399", "DA", -1, ""),
        ("00010101", "DA", -1, ""),
        ("2021030", "DA", -1, ""),
        ("20210301 Zorngiebel", "DT", -1, ""),
        ("half past nine", "TM", -1, ""),
        ("", "DA", -1, ""),
    ],
)
def test_shift_date(text: str, vr: str, days: int, moved: str) -> None:
    assert shift_date(text, vr, days) == moved


@given(
    st.dates(datetime.date(1950, 1, 1), datetime.date(2100, 1, 1)),
    st.integers(0, 20_000),
    st.integers(-3650, -1),
)
def test_days_between_dates_stay(first: datetime.date, apart: int, days: int) -> None:
    def read(text: str) -> datetime.date:
        return datetime.datetime.strptime(text, "%Y%m%d").date()

    second = first + datetime.timedelta(apart)
    moved = [read(shift_date(day.strftime("%Y%m%d"), "DA", days)) for day in (first, second)]
    assert moved[1] - moved[0] == second - first
    assert moved[0] - first == datetime.timedelta(days)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CT Thorax Zorngiebel 1mm", "CT Thorax 1mm"),
        ("HRCT_LUNG 1.25mm, Dr. Feldwebel", "HRCT LUNG 1.25mm"),
        ("Chest^Adalberta", "Chest"),
        ("7741 lung 558812", "lung"),
        ("Thorax 17/04/21, 17 04, 7.4.", "Thorax"),
        ("lung 0.625 B60f 5.0", "lung 0.625 5.0"),
        ("Zorngiebel", ""),
        ("", ""),
    ],
)
def test_clean_words(text: str, kept: str) -> None:
    assert clean_words(text) == kept


@given(st.text())
def test_no_other_word_ever_stays(text: str) -> None:
    for word in clean_words(text).lower().split():
        assert word in WORDS or re.fullmatch(r"\d{1,2}[.,]?\d{0,3}(mm|cm)?", word)


def test_the_old_share_one_age() -> None:
    assert [cap_age(age) for age in ("089Y", "090Y", "104Y", "006M")] == [
        "089Y", "090Y", "090Y", "006M",
    ]  # fmt: skip


REPRESENTATIONS = "AE AS CS DA DS DT FD FL IS LO LT OB OW PN SH SL SS ST TM UC UL UN UR US UT"


@pytest.mark.parametrize("vr", re.findall("..", REPRESENTATIONS.replace(" ", "")))
def test_dummies_fit_their_representation(vr: str) -> None:
    value = dummy_value(vr)
    assert value is not None
    dataset = Dataset()
    dataset.add(DataElement(0x00100010, vr, value))  # warns, and fails, where it does not fit


@pytest.mark.parametrize("vr", ["SQ", "AT", "UI"])
def test_without_a_plain_dummy(vr: str) -> None:
    assert dummy_value(vr) is None
