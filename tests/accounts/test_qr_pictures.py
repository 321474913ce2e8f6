"""Pictures of QR codes: read, and refused where they are none or too much."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
import segno

from nostr_client.accounts import qr_pictures
from nostr_client.accounts.qr_pictures import codes_in, is_picture
from nostr_client.errors import InvalidData
from nostr_client.nips import nip19

pytest.importorskip("zxingcpp", reason="the extra `pictures` is not installed")
Image: Any = pytest.importorskip("PIL.Image", reason="the extra `pictures` is not installed")
CODE = "nostr:" + nip19.encode_nprofile("ab" * 32, ["wss://one.example", "wss://two.example"])


def png(text: str) -> bytes:
    file = io.BytesIO()
    segno.make(text, error="m").save(file, kind="png", scale=4)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP"])
def test_a_code_is_read_out_of_a_picture(kind: str) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(png(CODE))).convert("RGB").save(file, kind)
    data = file.getvalue()
    assert is_picture(data[:12])
    assert codes_in(data) == (CODE,)


def test_a_text_is_no_picture() -> None:
    assert not is_picture(CODE.encode()[:12])
    assert not is_picture(b"")


def test_a_picture_without_a_code_has_none() -> None:
    file = io.BytesIO()
    Image.new("L", (64, 64), 255).save(file, "PNG")
    assert codes_in(file.getvalue()) == ()


def header(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        sum_of = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", sum_of)

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + ends


@pytest.mark.parametrize(
    "data",
    [
        png(CODE)[:200],
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff" + b"\0" * 50,
        header(8_000, 8_000),
        header(100_000, 100_000),
        header(0, 5),
    ],
)
def test_what_is_broken_or_a_bomb_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidData, match="picture"):
        codes_in(data)


def test_a_file_is_no_larger_than_a_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr_pictures, "MOST_BYTES", 100)
    with pytest.raises(InvalidData, match="at most 100 bytes"):
        codes_in(png(CODE))
