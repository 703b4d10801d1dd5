"""Logging of the node's processes: to stderr, with the time, without what headers say."""

from __future__ import annotations

import logging
import warnings

_FOREIGN = ("pydicom", "pynetdicom", "httpx", "httpcore", "sqlalchemy", "multipart")
"""Libraries whose messages may quote a header, an address or a token."""


def set_up_node_logging(level: int = logging.INFO) -> None:
    """Called by the node's processes when they start, never on import.

    Warnings of readers quote what they read ("Invalid value for VR PN: 'DOE^JANE'"), so they are
    left out, and other libraries' logs are cut to critical errors.
    """
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(processName)s %(message)s", level=logging.WARNING
    )
    logging.getLogger("groundglass").setLevel(level)
    for name in _FOREIGN:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
