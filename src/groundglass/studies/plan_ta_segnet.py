"""Which rows Tables I to III of the CovTANet paper have: networks that segment whole slices."""

from __future__ import annotations

from groundglass.studies.plan import RowPlan, rows_planned


def _row(key: str, label: str, network: str | None = None, loss: str | None = None) -> RowPlan:
    return RowPlan(key, label, network or key, "direct", loss=loss, keep=True)


_TA_SEGNET = _row("ta-segnet", "TA-SegNet (V7)")
_UNET = _row("unet", "U-Net")
_CPF_NET = _row("cpf-net", "CPF-Net")
_INF_NET = _row("inf-net", "Inf-Net")

PLANS: dict[int, tuple[RowPlan, ...]] = {
    1: (
        _row("v1", "V1: U-Net", "ta-segnet-v1"),
        _row("v2", "V2: decoder maps in the fusion", "ta-segnet-v2"),
        _row("v3", "V3: encoder and decoder maps in the fusion", "ta-segnet-v3"),
        _row("v4", "V4: encoder TAUs", "ta-segnet-v4"),
        _row("v5", "V5: decoder TAUs", "ta-segnet-v5"),
        _row("v6", "V6: both TAUs", "ta-segnet-v6"),
        # By its plain name, so that its training is that of TA-SegNet in the other tables.
        _row("v7", "V7: both TAUs, both maps", "ta-segnet"),
        _row("v8", "V8: V7, EfficientNet encoder", "ta-segnet-v8"),
    ),
    2: (
        _row("fcn", "FCN"),
        _UNET,
        _row("v-net", "V-Net, 2-D"),
        _row("unet-plus-plus", "UNet++"),
        _CPF_NET,
        _row("cople-net", "COPLE-Net"),
        _row("miniseg", "MiniSeg"),
        _INF_NET,
        _TA_SEGNET,
    ),
    3: (
        _UNET,
        _row("multires-unet", "MultiResUNet"),
        _row("attention-unet", "Attention U-Net"),
        _CPF_NET,
        _row("gated-unet", "Gated U-Net"),
        _INF_NET,
        _TA_SEGNET,
        # Ours: most rivals train with this loss, and networks are to be told from losses.
        _row("ta-segnet-bce-dice", "TA-SegNet (V7), BCE and Dice", "ta-segnet", "bce-dice"),
    ),
}

ELSEWHERE = "Table IV is about diagnosis and severity, and no table of this study"


def plan_of(table: int) -> tuple[RowPlan, ...]:
    """Rows of a table. Raises: SettingsError where it is none of 1 to 3."""
    return rows_planned(PLANS, table, remedy=ELSEWHERE)
