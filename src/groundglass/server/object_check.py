"""One DICOM object from the network: is it one, what are its UIDs, what do the rules look at.

C-STORE and STOW-RS both ask here before anything is kept. Nothing is decoded but the few values
of `CheckedObject`; the patient's name and id are not among them, so they cannot reach a log.
"""

from __future__ import annotations

import mmap
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import BadObjectError, TooLargeError
from groundglass.server.object_walk import (
    UNDEFINED,
    Encoding,
    WalkLimits,
    read_element,
    read_tag,
    walk_top_level,
)

Buffer = bytes | bytearray | memoryview | mmap.mmap
_PREAMBLE, _MAGIC = 128, b"DICM"
_META_BYTES = 64 * 1024
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_IMPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
_DEFLATED = ("1.2.840.10008.1.2.1.99",)
_META_SYNTAX, _META_CLASS, _META_INSTANCE = 0x00020010, 0x00020002, 0x00020003
_CHARSET, _SOP_CLASS, _SOP_UID = 0x00080005, 0x00080016, 0x00080018
_MODALITY, _DESCRIPTION = 0x00080060, 0x0008103E
_BODY_PART, _THICKNESS = 0x00180015, 0x00180050
_STUDY_UID, _SERIES_UID = 0x0020000D, 0x0020000E
_WANTED = frozenset(
    (
        *(_CHARSET, _SOP_CLASS, _SOP_UID, _MODALITY, _DESCRIPTION, _BODY_PART, _THICKNESS),
        *(_STUDY_UID, _SERIES_UID),
    )
)


@dataclass(frozen=True)
class CheckedObject:
    """What a received object says of itself.

    `slice_thickness_mm` is None where absent or not a positive number; texts are "" where absent.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    body_part: str
    series_description: str
    slice_thickness_mm: float | None


def is_uid(text: str) -> bool:
    """Whether `text` is a UID (PS3.5 section 9): numbers with dots between, at most 64 characters.

    A number may begin with a zero, against the standard: some scanners in use write that. Such a
    text can stand in a path: it has no slash and no part that begins with a dot.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def check_object(
    data: Buffer, *, max_bytes: int, transfer_syntax_uid: str = "", limits: WalkLimits | None = None
) -> CheckedObject:
    """Check one object: Part 10, or a bare data set where `transfer_syntax_uid` is given.

    Raises: TooLargeError beyond `max_bytes` (a deflated one inflated too); BadObjectError where it
    is cut off, does not fit its lengths, nests too deep, or lacks one of its UIDs or has a bad one.
    """
    if len(data) > max_bytes:
        raise TooLargeError(
            f"The DICOM object has {len(data)} bytes", expected=f"at most {max_bytes}"
        )
    view = memoryview(data)
    try:
        start, meta = 0, {}
        if not transfer_syntax_uid:
            start, meta = _read_meta(view)
            transfer_syntax_uid = _uid(meta, _META_SYNTAX, "TransferSyntaxUID")
        elif not is_uid(transfer_syntax_uid):
            raise _bad_value("TransferSyntaxUID", transfer_syntax_uid)
        if transfer_syntax_uid in _DEFLATED:
            with view[start:] as packed:  # released, or a mapped file could not be closed
                body, start = memoryview(_inflate(packed, max_bytes)), 0
        else:
            body = view
        encoding = Encoding(
            implicit=transfer_syntax_uid == _IMPLICIT,
            little_endian=transfer_syntax_uid != _BIG_ENDIAN,
        )
        values = walk_top_level(
            body, start, encoding, wanted=_WANTED, limits=limits or WalkLimits()
        )
    finally:
        view.release()
    checked = _checked(values, transfer_syntax_uid)
    for tag, name, value in (
        (_META_CLASS, "SOPClassUID", checked.sop_class_uid),
        (_META_INSTANCE, "SOPInstanceUID", checked.sop_uid),
    ):
        if tag in meta and _text(meta[tag]) != value:
            raise BadObjectError(
                f"The DICOM object has another {name} in its file header than in its data set",
                expected="one and the same",
            )
    return checked


def check_file(path: Path, *, max_bytes: int, limits: WalkLimits | None = None) -> CheckedObject:
    """`check_object` of a Part 10 file, which is mapped and not read. Raises: as it does."""
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise BadObjectError("The DICOM object is empty", expected="a Part 10 file") from error
        with mapped:
            return check_object(mapped, max_bytes=max_bytes, limits=limits)


def _read_meta(view: memoryview) -> tuple[int, dict[int, bytes]]:
    """Where the data set begins, and the file meta information (always explicit little endian)."""
    if len(view) < _PREAMBLE + 8 or bytes(view[_PREAMBLE : _PREAMBLE + 4]) != _MAGIC:
        raise BadObjectError(
            "The data have no 'DICM' at byte 128", expected="a DICOM object as a Part 10 file"
        )
    encoding, at = Encoding(implicit=False), _PREAMBLE + 4
    end, meta = min(len(view), at + _META_BYTES), {}
    while end - at >= 8 and read_tag(view, at, encoding) >> 16 == 2:
        element = read_element(view, at, end, encoding, implicit=False)
        if element.length == UNDEFINED:
            raise BadObjectError("The DICOM object has a sequence in its file header")
        if element.tag in meta:
            raise BadObjectError("The DICOM object has an element of its file header twice")
        at = element.start + element.length
        meta[element.tag] = bytes(view[element.start : min(at, element.start + 1024)])
    return at, meta


def _inflate(view: memoryview, max_bytes: int) -> bytes:
    """A deflated data set, as far as `max_bytes`."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        out = inflater.decompress(view, max_bytes + 1)
    except zlib.error as error:
        raise BadObjectError("The DICOM object is deflated and damaged") from error
    if len(out) > max_bytes:
        raise TooLargeError(
            f"The DICOM object inflates to more than {max_bytes} bytes",
            expected=f"at most {max_bytes}",
        )
    if not inflater.eof:
        raise BadObjectError("The DICOM object is deflated and cut off")
    return out


def _checked(values: dict[int, bytes], transfer_syntax_uid: str) -> CheckedObject:
    charset = _text(values.get(_CHARSET, b"")).split("\\")[0]
    return CheckedObject(
        study_uid=_uid(values, _STUDY_UID, "StudyInstanceUID"),
        series_uid=_uid(values, _SERIES_UID, "SeriesInstanceUID"),
        sop_uid=_uid(values, _SOP_UID, "SOPInstanceUID"),
        sop_class_uid=_uid(values, _SOP_CLASS, "SOPClassUID"),
        transfer_syntax_uid=transfer_syntax_uid,
        modality=_text(values.get(_MODALITY, b""))[:16],
        body_part=_text(values.get(_BODY_PART, b""))[:16],
        series_description=_text(values.get(_DESCRIPTION, b""), charset)[:64],
        slice_thickness_mm=_positive(_text(values.get(_THICKNESS, b""))),
    )


def _uid(values: dict[int, bytes], tag: int, name: str) -> str:
    if tag not in values:
        raise BadObjectError(f"The DICOM object has no {name}", expected="one")
    uid = _text(values[tag])
    if not is_uid(uid):
        raise _bad_value(name, uid)
    return uid


def _bad_value(name: str, value: str) -> BadObjectError:
    return BadObjectError(
        f"The DICOM object has the {name} {value[:64]!r}",
        expected="digits and dots, at most 64 characters",
    )


def _text(raw: bytes, charset: str = "") -> str:
    """A value as text without its padding; what its character set lacks becomes U+FFFD."""
    from pydicom.charset import python_encoding

    text = raw.decode(python_encoding.get(charset, "ascii"), errors="replace")
    return "".join(c if c.isprintable() else " " for c in text.strip("\0 ")).strip()


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
