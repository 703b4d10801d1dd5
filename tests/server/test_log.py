"""What the node's processes log: times, events, and nothing that a header says."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import io, logging, warnings
from groundglass.server.log import set_up_node_logging
set_up_node_logging()
import pydicom
from pydicom.dataset import Dataset
warnings.warn("Invalid value for VR PN: 'DOE^JANE'")
logging.getLogger("pydicom").error("JANE")
logging.getLogger("pynetdicom.assoc").error("JANE")
broken = Dataset()
broken.StudyDate = "JANE"
broken.PatientName = "DOE^JANE" * 40
logging.getLogger("groundglass.server.worker").info("job 7 is done")
logging.getLogger("groundglass.server.worker").debug("details")
"""


def test_readers_say_nothing_and_the_node_says_when() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert "JANE" not in done.stdout + done.stderr
    assert done.stderr.endswith("INFO MainProcess job 7 is done\n")
    assert done.stderr[:2] == "20"
