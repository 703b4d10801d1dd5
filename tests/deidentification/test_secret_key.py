"""The secret: kept for its owner alone, the same again from its file, and needed for every name."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from groundglass.deidentification.secret_key import SecretKey, random_key, read_or_make_key
from groundglass.errors import OutputError, SettingsError

KEY, OTHER = SecretKey(bytes(32)), SecretKey(bytes(31) + b"\1")


def test_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = read_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}\n", path.read_text())
    assert read_or_make_key(path) == made
    assert made.is_kept
    assert os.listdir(tmp_path) == ["key"]


def test_random_keys_differ() -> None:
    assert random_key() != random_key()
    assert not random_key().is_kept


def test_the_secret_is_not_shown() -> None:
    assert "0101" not in repr(SecretKey(b"\1" * 32))
    assert "\\x01" not in repr(SecretKey(b"\1" * 32))


@pytest.mark.parametrize("text", ["", "abcd\n", "z" * 64, "é" * 64])
def test_a_file_without_a_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="hexadecimal"):
        read_or_make_key(path)
    assert path.read_text() == text


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_key_that_others_may_read(tmp_path: Path) -> None:
    read_or_make_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(SettingsError, match=r"mode 0640.*chmod 600"):
        read_or_make_key(tmp_path / "key")


def test_no_folder_for_the_key(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"):
        read_or_make_key(tmp_path / "no" / "key")


@given(st.text(max_size=40), st.text(max_size=40))
def test_names_depend_on_value_purpose_and_key(one: str, two: str) -> None:
    name = KEY.pseudonym("patient", one)
    assert re.fullmatch(r"[0-9A-F]{16}", name)
    assert name == KEY.pseudonym("patient", one)
    assert name != KEY.pseudonym("scan", one)
    assert name != OTHER.pseudonym("patient", one)
    assert (name == KEY.pseudonym("patient", two)) == (one == two)
    assert -3650 <= KEY.shift_days(one) <= -1


@given(st.from_regex(r"[012](\.(0|[1-9][0-9]{0,8})){2,6}", fullmatch=True))
def test_uids_are_valid(uid: str) -> None:
    new = UID(KEY.uid(uid))
    assert new.is_valid
    assert new != uid
    assert KEY.uid(uid + "\0") == new  # padding is no part of a UID
