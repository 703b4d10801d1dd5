"""How loudly a command speaks: logging to stderr by --quiet and --verbose."""

from __future__ import annotations

import logging
import warnings


def set_up_logging(*, quiet: bool, verbose: bool) -> None:
    """Send the package's log to stderr; called by commands only, never on import."""
    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("groundglass").setLevel(level)
    logging.captureWarnings(True)
    if not verbose:  # readers of foreign files warn about headers that we judge ourselves
        warnings.simplefilter("ignore")
        for name in ("pydicom", "highdicom"):
            logging.getLogger(name).setLevel(logging.ERROR)
