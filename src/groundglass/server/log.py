"""Logging of the node's processes: to stderr, with the time, without what headers say."""

from __future__ import annotations

import logging
import traceback
import warnings
from pathlib import Path


def set_up_node_logging(level: int = logging.INFO) -> None:
    """Called by the node's processes when they start, never on import.

    Readers quote what they read ("Invalid value for VR PN: 'DOE^JANE'"), and clients may quote a
    token. So warnings are left out, and of other packages' logs all but critical errors: at the
    handler, for packages set their own levels when they are imported later.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_is_ours)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(processName)s %(message)s",
        level=logging.WARNING,
        handlers=[handler],
    )
    logging.getLogger("groundglass").setLevel(level)
    warnings.simplefilter("ignore")


def place_of(error: BaseException) -> str:
    """Kind and place of an error that is not ours, whose own words may quote a header."""
    frames = traceback.extract_tb(error.__traceback__)
    kind = type(error).__name__
    return (
        f"{kind} in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else kind
    )


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == "groundglass" or record.levelno >= logging.CRITICAL
