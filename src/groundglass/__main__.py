"""`groundglass` and `python -m groundglass`; torchrun starts it by the latter's name."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, which is imported here: an interrupt says so from the first moment."""
    try:
        from groundglass.cli.app import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
