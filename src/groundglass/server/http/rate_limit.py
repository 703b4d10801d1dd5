"""How often a caller may ask: a token bucket per caller, in memory, bounded."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CALLERS = 10_000


class RateLimit:
    """A bucket of `per_minute` requests per caller that fills up steadily.

    A whole bucket may be used at once. Callers are forgotten, longest unseen first, beyond
    10,000: forgetting gives a full bucket, so an attacker with that many addresses is for the
    firewall. Used from one event loop; no lock.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> int:
        """0 where the request may go on, else the seconds to wait (whole, at least 1)."""
        now = self._clock()
        level, seen = self._buckets.pop(caller, (self._most, now))
        level = min(self._most, level + (now - seen) * self._per_second)
        allowed = level >= 1
        self._buckets[caller] = (level - 1 if allowed else level, now)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - level) / self._per_second))
