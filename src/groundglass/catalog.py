"""Every network there is, torch-free: the command line, the docs and the tests read this list."""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.errors import SettingsError


@dataclass(frozen=True)
class NetworkEntry:
    """One network. `builder` is 'module:function', called with `base=`; the count is at base 16."""

    name: str
    builder: str
    parameters: int
    paper: str
    note: str


_CHS_NET = "Punn & Agarwal, CHS-Net, arXiv 2012.07079"

NETWORKS = (
    NetworkEntry(
        "bu",
        "groundglass.networks.raiu_net:baseline_unet",
        1_942_289,
        _CHS_NET,
        "baseline U-Net of Tables 4 and 5: standard convolutions, max pooling",
    ),
    NetworkEntry(
        "bu-rib",
        "groundglass.networks.raiu_net:unet_rib",
        1_866_269,
        _CHS_NET,
        "BU + residual inception blocks, max pooling",
    ),
    NetworkEntry(
        "bu-rib-hp",
        "groundglass.networks.raiu_net:unet_rib_hp",
        2_106_141,
        _CHS_NET,
        "BU + RIB + hybrid pooling",
    ),
    NetworkEntry(
        "raiu-net",
        "groundglass.networks.raiu_net:raiu_net",
        2_305_705,
        _CHS_NET,
        "BU + RIB + HP + SSD attention: one stage of CHS-Net",
    ),
)


def network_entry(name: str) -> NetworkEntry:
    """The entry called `name`. Raises: SettingsError listing what there is."""
    for entry in NETWORKS:
        if entry.name == name:
            return entry
    raise SettingsError(
        f"network {name!r} is unknown", expected=", ".join(entry.name for entry in NETWORKS)
    )
