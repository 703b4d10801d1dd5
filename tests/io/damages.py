"""Damage to the bytes of any file, as hypothesis draws it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Bytes changed (mostly in the header), taken out, put in, or the end cut off."""
    places = st.one_of(st.floats(0, 1), st.integers(0, 2000))
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from(["set", "set", "cut", "insert", "remove"]), places,
                      st.one_of(st.binary(min_size=1, max_size=8),
                                st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"]))),
            min_size=1, max_size=6,
        )
    )  # fmt: skip

    def apply(data: bytes) -> bytes:
        for kind, place, change in steps:
            at = int(place * len(data)) if isinstance(place, float) else place % (len(data) + 1)
            if kind == "cut":
                data = data[:at]
            elif kind == "insert":
                data = data[:at] + change + data[at:]
            elif kind == "remove":
                data = data[:at] + data[at + len(change) :]
            else:
                data = data[:at] + change + data[at + len(change) :]
        return data

    return apply
