"""Results on their way: what is sent, by C-STORE, to whom, and what is sent again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from groundglass.errors import LeaseLostError, SendError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server.deliver import deliver
from groundglass.server.peers import DicomPeer, StowPeer
from groundglass.server.settings import ServeSettings

from . import receivers
from .dicom_tools import free_port, left_open, make_certificates
from .receivers import Archive, pacs, send, uids_of

archive = receivers.archive
web = receivers.web
settings = receivers.settings
files = receivers.files


def test_store_sends_everything(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    assert send(files, pacs(archive), settings) == uids_of(files)
    assert [uid for uid, _ in archive.got] == uids_of(files)
    assert set(archive.callers) == {"GROUNDGLASS"}
    archive.callers.clear()
    send(files[:1], pacs(archive, calling_ae_title="NODE7"), settings)
    assert archive.callers == ["NODE7"]


def test_store_keeps_each_transfer_syntax(
    archive: Archive,
    small_chest: Phantom,
    files: list[Path],
    settings: ServeSettings,
    tmp_path: Path,
) -> None:
    rle = write_dicom_series(small_chest, tmp_path / "rle", DicomOptions(transfer_syntax="rle"))
    send([files[0], rle[1]], pacs(archive), settings)
    assert [syntax for _, syntax in archive.got] == ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"]


def test_store_to_a_peer_that_knows_the_default_syntax_only(
    small_chest: Phantom, files: list[Path], settings: ServeSettings, tmp_path: Path
) -> None:
    archive = Archive(syntaxes=["1.2.840.10008.1.2"])
    rle = write_dicom_series(small_chest, tmp_path / "rle", DicomOptions(transfer_syntax="rle"))
    try:
        noted: list[str] = []
        with pytest.raises(SendError, match=r"1 of 2 objects.*RLE Lossless") as caught:
            deliver(
                [files[0], rle[1]],
                pacs(archive),
                settings=settings,
                sent=frozenset(),
                note_sent=noted.append,
            )
    finally:
        archive.server.shutdown()
    assert caught.value.is_permanent
    assert noted == uids_of(files[:1])
    assert archive.got == [(noted[0], "1.2.840.10008.1.2")]


def test_only_what_is_missing_is_sent_again(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    first, second, third, fourth = uids_of(files)
    archive.answers = [0x0000, 0xA700, 0x0000, 0xC000]
    noted: list[str] = []
    with pytest.raises(SendError, match=r"2 of 4 objects: status 0xA700; status 0xC000") as caught:
        deliver(files, pacs(archive), settings=settings, sent=frozenset(), note_sent=noted.append)
    assert noted == [first, third]
    assert not caught.value.is_permanent
    archive.got.clear()
    assert send(files, pacs(archive), settings, *noted) == [second, fourth]
    assert [uid for uid, _ in archive.got] == [second, fourth]
    archive.callers.clear()
    assert send(files, pacs(archive), settings, *uids_of(files)) == []
    assert archive.callers == []


@pytest.mark.parametrize(
    ("status", "is_taken", "is_permanent"),
    [
        (0xB000, True, None),
        (0xB007, True, None),
        (0x0111, True, None),
        (0xA700, False, False),
        (0xA900, False, True),
        (0xC000, False, False),
        (0x0110, False, False),
        (0x0122, False, True),
        (0x0124, False, True),
    ],
)
def test_what_a_status_means(
    archive: Archive,
    files: list[Path],
    settings: ServeSettings,
    status: int,
    is_taken: bool,
    is_permanent: bool | None,
) -> None:
    archive.answers = [status]
    if is_taken:
        assert send(files[:1], pacs(archive), settings) == uids_of(files[:1])
    else:
        with pytest.raises(SendError, match=f"0x{status:04X}") as caught:
            send(files[:1], pacs(archive), settings)
        assert caught.value.is_permanent == is_permanent


def test_the_peers_comment_is_passed_on(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    answer = Dataset()
    answer.Status, answer.ErrorComment = 0xA700, "disk full"
    archive.answers = [answer]
    with pytest.raises(SendError, match=r"status 0xA700 \(disk full\)"):
        send(files[:1], pacs(archive), settings)


@left_open
def test_a_peer_that_is_not_there(files: list[Path], settings: ServeSettings) -> None:
    port = free_port()
    for peer in (
        DicomPeer(kind="dicom", ae_title="PACS", host="127.0.0.1", port=port),
        StowPeer(kind="stow", url=f"http://127.0.0.1:{port}"),
    ):
        with pytest.raises(SendError, match="cannot be reached") as caught:
            send(files, peer, settings)
        assert not caught.value.is_permanent


def test_a_peer_that_does_not_know_us(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    peer = pacs(archive).model_copy(update={"ae_title": "WRONG"})
    with pytest.raises(SendError, match="rejected the association") as caught:
        send(files, peer, settings)
    assert caught.value.is_permanent


def test_a_lost_lease_ends_the_sending(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    def lost(sop_uid: str) -> None:
        raise LeaseLostError("the lease is lost")

    with pytest.raises(LeaseLostError):
        deliver(files, pacs(archive), settings=settings, sent=frozenset(), note_sent=lost)
    assert len(archive.got) == 1


def test_a_result_file_that_is_gone(
    archive: Archive, settings: ServeSettings, tmp_path: Path
) -> None:
    (tmp_path / "text.dcm").write_text("no DICOM")
    for name in ("gone.dcm", "text.dcm"):
        with pytest.raises(SendError, match=name) as caught:
            send([tmp_path / name], pacs(archive), settings)
        assert caught.value.is_permanent


@left_open
def test_tls_peers(files: list[Path], settings: ServeSettings, tmp_path: Path) -> None:
    """The node's own listener, with TLS that asks for a certificate, is the archive here."""
    from groundglass.server.audit import AuditLog
    from groundglass.server.spool import Spool
    from groundglass.server.store_scp import StoreScp

    made = make_certificates(tmp_path / "tls")
    own = {"certificate": made.certificate, "key": made.key}
    theirs = ServeSettings.model_validate(
        {
            "folder": tmp_path / "theirs",
            "dicom": {"port": 0, "tls": {**own, "ca": made.ca}},
            "limits": {"free_disk_mib": 1},
        }
    )
    spool = Spool(theirs.spool_folder, theirs.limits)
    scp = StoreScp(theirs, spool, AuditLog.from_settings(theirs))
    base = {"kind": "dicom", "ae_title": "GROUNDGLASS", "host": "localhost", "port": scp.port}
    try:
        good = DicomPeer.model_validate({**base, "tls": {"ca": made.ca, "own": own}})
        assert send(files, good, settings) == uids_of(files)
        for tls in ({"own": own}, {"ca": made.ca}, None):  # unknown authority, no certificate, none
            with pytest.raises(SendError) as caught:
                send(files, DicomPeer.model_validate({**base, "tls": tls}), settings)
            assert not caught.value.is_permanent
        lost = {"ca": tmp_path / "gone.pem"}
        with pytest.raises(SendError, match=r"gone\.pem"):
            send(files, DicomPeer.model_validate({**base, "tls": lost}), settings)
    finally:
        scp.stop()
    (study,) = spool.studies()
    assert study.instances == 4
