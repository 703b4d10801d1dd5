"""Walk over the elements of an encoded DICOM data set without decoding a value or making a copy.

What arrives from the network may be anything. This walk looks at tags and lengths only, keeps its
own stack instead of recursing, and never reserves memory for a length that the bytes do not hold.
An object that passes can be given to a reader that trusts lengths and recurses into sequences.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from groundglass.errors import BadObjectError

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)


@dataclass(frozen=True)
class WalkLimits:
    """How deep sequences may nest, and how many elements, items and fragments there may be."""

    depth: int = 32
    elements: int = 2_000_000


@dataclass(frozen=True)
class Encoding:
    """Byte order and whether elements name their VR."""

    implicit: bool
    little_endian: bool = True

    @property
    def order(self) -> str:
        """As `struct` writes it."""
        return "<" if self.little_endian else ">"


@dataclass(slots=True)
class _Open:
    """A data set, sequence or row of fragments that the walk is in.

    `closed` says that its length is given; else a delimiter must come before `end`.
    """

    kind: str
    end: int
    closed: bool
    implicit: bool


@dataclass(frozen=True, slots=True)
class Element:
    """Where an element's value lies."""

    tag: int
    start: int
    length: int
    is_sequence: bool
    is_fragments: bool
    holds_implicit: bool


def walk_top_level(
    data: bytes | memoryview,
    start: int,
    encoding: Encoding,
    *,
    wanted: frozenset[int],
    limits: WalkLimits,
) -> dict[int, bytes]:
    """The raw values of the `wanted` elements outside of sequences; the whole rest is walked too.

    `data[start:]` is the data set, inflated. A value of more than 1,024 bytes is cut there.
    Raises: BadObjectError where lengths do not fit the bytes, a sequence does not end, a limit
    is passed, or a wanted element comes twice.
    """
    found: dict[int, bytes] = {}
    stack = [_Open("elements", len(data), True, encoding.implicit)]
    at, count = start, 0
    while stack:
        here = stack[-1]
        if at >= here.end or _is_padding(data, at, stack):
            if not here.closed:
                raise _broken(f"does not end the sequence that is open at byte {at}")
            stack.pop()
            continue
        count += 1
        if count > limits.elements:
            raise _broken(f"has more than {limits.elements} elements")
        if here.end - at < 8:
            raise _broken(f"is cut off within a tag at byte {at}")
        if here.kind == "elements":
            at = _step_element(
                data, at, encoding, stack, found if len(stack) == 1 else None, wanted
            )
        else:
            at = _step_item(data, at, encoding, stack)
        if len(stack) > 2 * limits.depth + 1:
            raise _broken(f"nests sequences more than {limits.depth} deep")
    return found


def _step_element(
    data: bytes | memoryview,
    at: int,
    encoding: Encoding,
    stack: list[_Open],
    found: dict[int, bytes] | None,
    wanted: frozenset[int],
) -> int:
    """Past one element, or into it; the next position."""
    here = stack[-1]
    if not here.closed and read_tag(data, at, encoding) == _ITEM_END:
        stack.pop()
        return at + 8
    element = read_element(data, at, here.end, encoding, implicit=here.implicit)
    if element.is_sequence or element.is_fragments:
        closed = element.length != UNDEFINED
        end = element.start + element.length if closed else here.end
        kind = "fragments" if element.is_fragments else "items"
        stack.append(_Open(kind, end, closed, element.holds_implicit))
        return element.start
    if found is not None and element.tag in wanted:
        if element.tag in found:
            raise _broken(f"has {tag_text(element.tag)} twice")
        value_end = element.start + min(element.length, 1024)
        found[element.tag] = bytes(data[element.start : value_end])
    return element.start + element.length


def _step_item(data: bytes | memoryview, at: int, encoding: Encoding, stack: list[_Open]) -> int:
    """Into an item, past a fragment or out of the sequence; the next position."""
    here = stack[-1]
    tag = read_tag(data, at, encoding)
    length = struct.unpack_from(encoding.order + "I", data, at + 4)[0]
    if tag == _SEQUENCE_END:
        if not here.closed:
            stack.pop()
        return at + 8
    if tag != _ITEM:
        raise _broken(f"has {tag_text(tag)} at byte {at} where an item must be")
    closed = length != UNDEFINED
    if closed and length > here.end - at - 8:
        raise _broken(f"has an item of {length} bytes at byte {at}, more than there are")
    if here.kind == "fragments":
        if not closed:
            raise _broken(f"has a fragment without a length at byte {at}")
        return at + 8 + length
    end = at + 8 + length if closed else here.end
    stack.append(_Open("elements", end, closed, here.implicit))
    return at + 8


def read_element(
    data: bytes | memoryview, at: int, end: int, encoding: Encoding, *, implicit: bool
) -> Element:
    """The element at `at`, whose value lies before `end`. Raises: BadObjectError."""
    tag = read_tag(data, at, encoding)
    if tag >> 16 == 0xFFFE:
        raise _broken(f"has the delimiter {tag_text(tag)} at byte {at} out of place")
    vr = b"" if implicit else bytes(data[at + 4 : at + 6])
    if not (len(vr) == 2 and vr.isalpha() and vr.isupper()):
        vr, start = b"", at + 8  # some writers slip implicit elements into explicit data sets
        length = struct.unpack_from(encoding.order + "I", data, at + 4)[0]
    elif vr in _LONG_VRS:
        if end - at < 12:
            raise _broken(f"is cut off within {tag_text(tag)} at byte {at}")
        start, length = at + 12, struct.unpack_from(encoding.order + "I", data, at + 8)[0]
    else:
        start, length = at + 8, struct.unpack_from(encoding.order + "H", data, at + 6)[0]
    if length != UNDEFINED and length > end - start:
        raise _broken(
            f"says that {tag_text(tag)} has {length} bytes, where {max(0, end - start)} are left"
        )
    fragments = length == UNDEFINED and (tag == PIXEL_DATA or vr in (b"OB", b"OW"))
    sequence = not fragments and (
        length == UNDEFINED or vr == b"SQ" or (not vr and _known_sequence(tag))
    )
    if sequence and length != UNDEFINED and tag >> 16 & 1:
        sequence = False  # private: no reader enters it unasked, and vendors write odd things there
    holds_implicit = not vr or (vr == b"UN" and length == UNDEFINED)
    return Element(tag, start, length, sequence, fragments, holds_implicit)


def read_tag(data: bytes | memoryview, at: int, encoding: Encoding) -> int:
    """Group and element as one number."""
    group, element = struct.unpack_from(encoding.order + "HH", data, at)
    return group << 16 | element


def tag_text(tag: int) -> str:
    """(gggg,eeee), as the standard prints it."""
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _is_padding(data: bytes | memoryview, at: int, stack: list[_Open]) -> bool:
    """Fewer than 8 bytes, all zero, behind the last element: some writers fill up a block."""
    if len(stack) > 1 or len(data) - at >= 8:
        return False
    return not any(data[at:])


@lru_cache(maxsize=4096)
def _known_sequence(tag: int) -> bool:
    """Whether the standard's dictionary has this tag as a sequence."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False


def _broken(what: str) -> BadObjectError:
    return BadObjectError(f"The DICOM object {what}", expected="a well-formed data set")
