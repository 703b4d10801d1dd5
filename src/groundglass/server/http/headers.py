"""Headers that every answer carries, and those of a report that a browser shows."""

from __future__ import annotations

COMMON = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""no-store: answers are about patients, and no cache on the way may keep them."""

REPORT = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"
    ),
}
"""The report is one file with its styles and pictures inside; it needs no script and no network."""

STRICT_TRANSPORT = "max-age=31536000"
