"""A node in a process of its own, to be killed: `node_process.py SETTINGS.json`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from fake_analysis import make_fake

from groundglass.server.fronts import fronts_of
from groundglass.server.log import set_up_node_logging
from groundglass.server.settings import ServeSettings
from groundglass.server.supervisor import Supervisor


def main() -> None:
    settings = ServeSettings.model_validate_json(Path(sys.argv[1]).read_text())
    set_up_node_logging()
    node = Supervisor(settings, fronts=fronts_of(settings), make=make_fake)
    signal.signal(signal.SIGTERM, lambda *_: node.stop())
    node.run()


if __name__ == "__main__":  # workers import this file too
    main()
