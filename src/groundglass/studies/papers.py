"""The papers by the name of their study."""

from __future__ import annotations

from groundglass.errors import SettingsError
from groundglass.studies import paper_chs_net, paper_ta_segnet
from groundglass.studies.paper import Paper

PAPERS: dict[str, Paper] = {
    paper.study: paper for paper in (paper_chs_net.PAPER, paper_ta_segnet.PAPER)
}


def find_paper(study: str) -> Paper:
    """The paper of a study. Raises: SettingsError listing what there is."""
    if study not in PAPERS:
        raise SettingsError(f"study {study!r} is unknown", expected=" or ".join(PAPERS))
    return PAPERS[study]
