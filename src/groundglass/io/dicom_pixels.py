"""DICOM pixels: from files straight into one int16 array, slice by slice."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from groundglass.errors import UnreadableError
from groundglass.io.dicom_file import read_dicom_file
from groundglass.io.dicom_frames import Encoding, Frame
from groundglass.io.limits import check_array

_PADDED = np.iinfo(np.int16).min
_LIMITS = np.iinfo(np.int16)


def stored_values(frame: Frame) -> np.ndarray:
    """Pixels of one frame as stored, (H, W); nothing rescaled. Raises: UnreadableError."""
    return next(_stored(frame.path, [frame]))[1]


def decode_into(out: np.ndarray, frames: Sequence[Frame], planes: Sequence[int]) -> None:
    """Fill `out[planes[i]]` with the rescaled values of `frames[i]`.

    Shape: `out` (D, H, W), int16. Padding becomes the lowest measured value of all frames, as
    it stands for air. One file's pixels are in memory at a time. Raises: UnreadableError.
    """
    by_file: dict[Path, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        by_file[frame.path].append(index)
    lowest, padded = _LIMITS.max, False
    for path, indices in by_file.items():
        indices.sort(key=lambda index: frames[index].index)
        of_file = [frames[index] for index in indices]
        for index, (frame, stored) in zip(indices, _stored(path, of_file), strict=True):
            target = out[planes[index]]
            _rescale(stored, frame, target)
            padding = _padding(frame)
            if padding is not None:
                hidden = stored == padding
                if hidden.any():
                    padded = True
                    target[hidden] = _LIMITS.max
                    lowest = min(lowest, int(target.min()))
                    target[hidden] = _PADDED
                    continue
                lowest = min(lowest, int(target.min()))
    if padded:
        for plane in planes:
            out[plane][out[plane] == _PADDED] = lowest


def _stored(path: Path, frames: list[Frame]) -> Iterator[tuple[Frame, np.ndarray]]:
    """Frames of one file (ascending index) with their stored values."""
    encoding = frames[0].encoding
    decoded_bytes = encoding.samples * max(1, encoding.bits_allocated // 8)
    check_array((frames[0].rows, frames[0].columns), decoded_bytes, path.name)
    plain = encoding.offset and encoding.bits_allocated in (8, 16) and encoding.samples == 1
    source = _plain(path, frames) if plain else _decoded(path, frames)
    for frame, pixels in zip(frames, source, strict=True):
        if pixels.shape != (frame.rows, frame.columns):
            raise UnreadableError(
                f"{path.name} decodes to shape {pixels.shape}",
                expected=f"({frame.rows}, {frame.columns}) as its header says",
            )
        if encoding.photometric == "MONOCHROME1" and not frame.has_rescale:
            # No rescale: the numbers are brightness, and here bright is low.
            top = (1 << encoding.bits_stored) - 1 if not encoding.signed else -1
            pixels = (top - pixels.astype(np.int32)).astype(pixels.dtype)
        yield frame, pixels


def _plain(path: Path, frames: list[Frame]) -> Iterator[np.ndarray]:
    """Uncompressed pixels, read from where the header pass found them."""
    first = frames[0]
    letter = "i" if first.encoding.signed else "u"
    dtype = np.dtype(f"<{letter}{first.encoding.bits_allocated // 8}")
    size = first.rows * first.columns * dtype.itemsize
    try:
        whole = path.stat().st_size
        with path.open("rb") as file:
            for frame in frames:
                start = first.encoding.offset + frame.index * size
                if start + size > whole:  # read() makes room for all of it before it reads
                    there = min(size, max(0, whole - start))
                    raise UnreadableError(
                        f"{path.name} ends early: {there} of {size} bytes of pixels",
                        expected="a whole file",
                        remedy="Copy or export the series again",
                    )
                file.seek(start)
                data = file.read(size)
                pixels = np.frombuffer(data, dtype).reshape(frame.rows, frame.columns)
                yield _without_high_bits(pixels, first.encoding)
    except OSError as error:
        raise UnreadableError(f"{path.name} cannot be read ({error.strerror})") from error


def _without_high_bits(pixels: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Old files keep overlays in the bits above BitsStored: cut them off, keep the sign."""
    spare = encoding.bits_allocated - encoding.bits_stored
    if spare <= 0:
        return pixels
    return (
        (pixels << spare) >> spare
        if encoding.signed
        else pixels & ((1 << encoding.bits_stored) - 1)
    )


def _decoded(path: Path, frames: list[Frame]) -> Iterator[np.ndarray]:
    """Pixels through pydicom and its decoders."""
    pixels: Iterator[np.ndarray] | None = None
    for frame in frames:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # odd headers are warned about, and still decode
                if pixels is None:
                    dataset = read_dicom_file(path)
                    if "TransferSyntaxUID" not in dataset.file_meta:
                        dataset.file_meta.TransferSyntaxUID = UID(frame.encoding.transfer_syntax)
                    indices = [frame.index for frame in frames]
                    pixels = iter_pixels(dataset, indices=indices, raw=True)
                decoded = next(pixels)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # decoders raise anything; a panic in Rust is no Exception
            raise _undecodable(path, frame, error) from error
        yield decoded


def _undecodable(path: Path, frame: Frame, error: BaseException) -> UnreadableError:
    syntax = frame.encoding.transfer_syntax
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return UnreadableError(
        f"{path.name} cannot be decoded from transfer syntax {UID(syntax).name} ({syntax}): "
        f"{reason}",
        expected="whole pixel data in a supported encoding",
        remedy="Export it uncompressed, or copy the file again",
    )


def _rescale(stored: np.ndarray, frame: Frame, target: np.ndarray) -> None:
    """Write stored * slope + intercept into `target` (int16), clipped to its range."""
    slope, intercept = frame.slope, frame.intercept
    if slope == 1 and intercept == int(intercept):
        half = 1 << (frame.encoding.bits_stored - 1)
        low, high = (-half, half) if frame.encoding.signed else (0, 2 * half)
        if low + intercept >= _LIMITS.min and high + intercept <= _LIMITS.max:
            np.add(stored, np.int16(intercept), out=target, casting="unsafe", dtype=np.int16)
            return
        values = stored.astype(np.int32) + int(intercept)
    else:
        values = np.rint(stored.astype(np.float32) * slope + intercept)
    np.clip(values, _LIMITS.min, _LIMITS.max, out=values)
    target[...] = values


def _padding(frame: Frame) -> int | None:
    """PixelPaddingValue in the stored type; headers mix up its sign."""
    if frame.padding is None:
        return None
    bits = frame.encoding.bits_stored
    value = frame.padding & ((1 << bits) - 1)
    if frame.encoding.signed and value >= 1 << (bits - 1):
        value -= 1 << bits
    return value
