"""What a file is, by its first bytes, and the same file without what it says of its maker. Pure.

A camera writes into a picture where and when it was taken, and with what: Exif, XMP, IPTC,
comments, a second picture behind the first. `without_metadata` leaves all of that out and touches
no pixel: what is kept is named here (colours, transparency, animation, which way is up), so that
what nobody thought of goes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from nostr_client.errors import InvalidData

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
GIF: Final = "image/gif"
WEBP: Final = "image/webp"
UNKNOWN: Final = "application/octet-stream"
CLEANED: Final = frozenset({JPEG, PNG, GIF, WEBP})
"""The types of which `without_metadata` knows what to keep."""
_BRANDS: Final = {
    **dict.fromkeys((b"heic", b"heix", b"mif1"), "image/heic"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    b"qt  ": "video/quicktime",
    **dict.fromkeys((b"M4A ", b"M4B "), "audio/mp4"),
}
_HEADS: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"BM", "image/bmp"),
)
_PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n"
_PNG_LENGTHS: Final = {
    **{b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4},
    **{b"sBIT": 4, b"pHYs": 9, b"bKGD": 6, b"acTL": 8, b"fcTL": 26, b"IEND": 0},
    **dict.fromkeys((b"IDAT", b"fdAT", b"iCCP"), (1 << 31) - 1),
}
"""Chunks that are kept, with the most bytes that each has: what is longer says something else."""
_WEBP_FRAME: Final = frozenset((b"VP8 ", b"VP8L", b"ALPH"))
_WEBP_KEPT: Final = _WEBP_FRAME | {b"VP8X", b"ANIM", b"ANMF", b"ICCP"}
_WEBP_HEADS: Final = {b"VP8X": 10, b"ANIM": 6, b"ANMF": 16}
"""Bytes of what says how a picture is made; behind those of a frame stand its parts."""
_ADOBE: Final = 12
"""Bytes in which Adobe's segment says how the colours are to be read."""
_GIF_KEPT: Final = frozenset((b"NETSCAPE2.0", b"ANIMEXTS1.0"))
_SIZES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG's segments that begin a picture and say its size."""
_DAMAGED: Final = "this picture is damaged: it ends or goes on where it should not"


class FileForm(msgspec.Struct, frozen=True):
    """A file's MIME type by what it holds; its size in pixels, 0 where that is not known."""

    type: str
    width: int = 0
    height: int = 0


def form_of(data: bytes) -> FileForm:
    """What `data` is, whatever its name says. A picture that is damaged has no size."""
    mime = type_of(data)
    try:
        if mime == PNG and len(data) >= 24:
            return FileForm(mime, *struct.unpack_from(">II", data, 16))
        if mime == GIF and len(data) >= 10:
            return FileForm(mime, *struct.unpack_from("<HH", data, 6))
        if mime == JPEG:
            return FileForm(mime, *_jpeg_size(data))
        if mime == WEBP:
            return FileForm(mime, *_webp_size(data))
    except (InvalidData, struct.error, IndexError):
        return FileForm(mime)
    return FileForm(mime)


def without_metadata(data: bytes) -> bytes:
    """The same picture, without what is said beside it. Raises InvalidData for one that is damaged,
    and for what is not of a type in `CLEANED`."""
    mime = type_of(data)
    if mime not in CLEANED:
        raise InvalidData(f"nobody here knows what a file of type {mime} says of its maker")
    clean = {JPEG: _clean_jpeg, PNG: _clean_png, GIF: _clean_gif, WEBP: _clean_webp}[mime]
    try:
        return clean(data)
    except (struct.error, IndexError):
        raise InvalidData(_DAMAGED) from None


def type_of(data: bytes) -> str:
    """The MIME type by the first bytes; `UNKNOWN` where they say none."""
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(_PNG_HEAD):
        return PNG
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if data[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": "audio/wav"}.get(data[8:12], UNKNOWN)
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    return next((mime for head, mime in _HEADS if data.startswith(head)), UNKNOWN)


# JPEG


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment, the marker's own included; that of a scan goes on to the
    next marker. Ends behind the picture's end: what follows is another file."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise InvalidData(_DAMAGED)
        while data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if marker == 0xD9:
            yield marker, data[at : at + 2]
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            end = at + 2
        else:
            end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xDA:
            end = _end_of_scan(data, end)
        if end > len(data):
            raise InvalidData(_DAMAGED)
        yield marker, data[at:end]
        at = end


def _end_of_scan(data: bytes, at: int) -> int:
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise InvalidData(_DAMAGED)
        following = data[at + 1]
        if following != 0 and not 0xD0 <= following <= 0xD7:
            return at
        at += 2


def _clean_jpeg(data: bytes) -> bytes:
    kept = [data[:2]]
    turned = 1
    for marker, segment in _segments(data):
        body = segment[4:]
        if marker == 0xE1 and body.startswith(b"Exif\0\0") and turned == 1:
            turned = _orientation(body[6:])
        profile = marker == 0xE2 and body.startswith(b"ICC_PROFILE\0")
        if marker == 0xE0 and body.startswith(b"JFIF\0"):
            kept.append(_segment(marker, body[:12] + b"\0\0"))  # without its small picture
        elif marker == 0xEE and body.startswith(b"Adobe"):
            kept.append(_segment(marker, body[:_ADOBE]))
        elif profile or 0xC0 <= marker <= 0xDF:
            kept.append(segment)
    if turned != 1:
        kept.insert(1, _segment(0xE1, b"Exif\0\0" + _exif(turned)))
    return b"".join(kept)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _jpeg_size(data: bytes) -> tuple[int, int]:
    turned = 1
    for marker, segment in _segments(data):
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            turned = _orientation(segment[10:])
        if marker in _SIZES:
            height, width = struct.unpack_from(">HH", segment, 5)
            return (height, width) if turned >= 5 else (width, height)
    raise InvalidData(_DAMAGED)


def _orientation(tiff: bytes) -> int:
    """Which way is up, 1 to 8, as Exif says it; 1 where it does not."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        start = struct.unpack_from(f"{order}I", tiff, 4)[0]
        for number in range(struct.unpack_from(f"{order}H", tiff, start)[0]):
            tag, form, count, value = struct.unpack_from(
                f"{order}HHIH", tiff, start + 2 + 12 * number
            )
            if (tag, form, count) == (0x0112, 3, 1):
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _exif(orientation: int) -> bytes:
    """Exif that says which way is up, and nothing else."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)


# PNG, WebP, GIF


def _clean_png(data: bytes) -> bytes:
    kept = [_PNG_HEAD]
    at = len(_PNG_HEAD)
    while True:
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise InvalidData(_DAMAGED)
        if length <= _PNG_LENGTHS.get(name, -1):
            kept.append(data[at:end])
        elif name == b"eXIf" and (turned := _orientation(data[at + 8 : end - 4])) != 1:
            body = b"eXIf" + _exif(turned)
            crc = struct.pack(">I", zlib.crc32(body))
            kept.append(struct.pack(">I", len(body) - 4) + body + crc)
        if name == b"IEND":
            return b"".join(kept)
        at = end


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk of a WebP file."""
    return _chunks_in(data[: 8 + struct.unpack_from("<I", data, 4)[0]], 12)


def _chunks_in(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    end = len(data)
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > len(data):
            raise InvalidData(_DAMAGED)
        yield name, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _clean_webp(data: bytes) -> bytes:
    chunks = list(_chunks(data))
    exif = next((body for name, body in chunks if name == b"EXIF"), b"")
    turned = _orientation(exif.removeprefix(b"Exif\0\0"))
    kept: list[tuple[bytes, bytes]] = []
    for name, body in chunks:
        head = body[: _WEBP_HEADS.get(name, len(body))]
        if name == b"VP8X":  # the first byte says what else there is: 8 Exif, 4 XMP
            flags = head[0] & ~0x0C | (0x08 if turned != 1 else 0)
            kept.append((name, bytes([flags]) + head[1:]))
        elif name == b"ANMF":
            parts = _chunks_in(body, len(head))
            kept.append((name, head + _joined(one for one in parts if one[0] in _WEBP_FRAME)))
        elif name in _WEBP_KEPT:
            kept.append((name, head))
    if turned != 1 and kept and kept[0][0] == b"VP8X":
        kept.append((b"EXIF", _exif(turned)))
    whole = _joined(kept)
    return b"RIFF" + struct.pack("<I", len(whole) + 4) + b"WEBP" + whole


def _joined(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(
        struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2) for name, body in chunks
    )


def _webp_size(data: bytes) -> tuple[int, int]:
    name, body = next(_chunks(data), (b"", b""))
    if name == b"VP8X":
        return (
            1 + int.from_bytes(body[4:7], "little"),
            1 + int.from_bytes(body[7:10], "little"),
        )
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _clean_gif(data: bytes) -> bytes:
    at = 13 + _table_size(data[10])
    kept = [data[:at]]
    while True:
        begin = at
        if data[at] == 0x3B:
            return b"".join((*kept, b";"))
        if data[at] == 0x2C:
            at = _end_of_blocks(data, at + 11 + _table_size(data[at + 9]))
            kept.append(data[begin:at])
        elif data[at] == 0x21:
            label = data[at + 1]
            at = _end_of_blocks(data, at + 2)
            if label == 0xF9 or (label == 0xFF and data[begin + 3 : begin + 14] in _GIF_KEPT):
                kept.append(data[begin:at])
        else:
            raise InvalidData(_DAMAGED)


def _table_size(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1
