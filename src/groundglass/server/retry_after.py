"""Retry-After of HTTP (RFC 9110, section 10.2.3): seconds, or a date."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

_MOST_DIGITS = 9


def retry_after(value: str, now: float) -> float:
    """How many seconds the header asks to wait from `now`; 0 where it says nothing that is known.

    `now`: in seconds since 1970.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MOST_DIGITS else 10.0**_MOST_DIGITS
    try:
        when = parsedate_to_datetime(text)
        zoned = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return max(0.0, zoned.timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
