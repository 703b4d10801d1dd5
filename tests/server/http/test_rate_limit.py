"""The token bucket, with a clock of our own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from groundglass.server.http import rate_limit
from groundglass.server.http.rate_limit import RateLimit


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_of_six_a_minute_by_hand() -> None:
    clock = Clock()
    limit = RateLimit(6, clock)
    assert [limit.take("a") for _ in range(7)] == [0, 0, 0, 0, 0, 0, 10]
    clock.now += 4
    assert limit.take("a") == 6
    clock.now += 6
    assert limit.take("a") == 0
    assert limit.take("a") == 10


def test_callers_do_not_share() -> None:
    limit = RateLimit(1, Clock())
    assert [limit.take("a"), limit.take("b"), limit.take("a")] == [0, 0, 60]


@given(
    st.integers(1, 100),
    st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
)
def test_never_more_than_a_bucket_and_what_time_adds(per_minute: int, waits: list[float]) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock)
    allowed = 0
    for wait in waits:
        clock.now += wait
        allowed += limit.take("a") == 0
    assert allowed <= per_minute + sum(waits) * per_minute / 60 + 1e-6


@given(st.integers(1, 5000), st.integers(1, 300))
def test_who_waits_as_told_may_ask_again(per_minute: int, before: int) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock)
    told = 0
    for _ in range(before):
        told = told or limit.take("a")
    clock.now += told
    assert limit.take("a") == 0 or not told


def test_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(rate_limit, "_MOST_CALLERS", 3)
    limit = RateLimit(1, Clock())
    for name in "abcd":
        assert limit.take(name) == 0
    assert limit.take("d") == 60, "the newest are kept"
    assert limit.take("a") == 0, "the longest unseen was forgotten"
    assert len(limit._buckets) == 3
