"""Pictures leave without what they say of their maker, and are the same pictures."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from nostr_client.errors import InvalidData
from nostr_client.social.media.file_form import CLEANED, FileForm, form_of, without_metadata
from tests.social.media.pictures import GPS, exif, image, jpeg, saved

SAYS = (GPS.encode(), b"where", b"Exif\0\0II", b"secret", b"RAW2")


def shown(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    return ImageOps.exif_transpose(picture).convert("RGB")


def png() -> bytes:
    info = PngInfo()
    info.add_text("Author", "secret")
    info.add_itxt("XML:com.adobe.xmp", "where")
    return saved("PNG", pnginfo=info, exif=exif(6))


def test_pictures_keep_their_pixels_and_say_nothing() -> None:
    webp = saved("WEBP", exif=exif(6), xmp=b"where", lossless=True)
    animated = saved(
        "WEBP", save_all=True, append_images=[image(), Image.new("RGB", (6, 4))], exif=exif()
    )
    gif = saved("GIF", save_all=True, append_images=[Image.new("P", (6, 4))], comment=b"secret")
    progressive = jpeg(8, progressive=True, comment=b"secret")
    for data in (jpeg(), jpeg(6), progressive, jpeg() + b"RAW2secret", png(), webp, animated, gif):
        clean = without_metadata(data)
        assert not any(word in clean for word in SAYS)
        assert shown(clean).tobytes() == shown(data).tobytes()
        assert Image.open(io.BytesIO(clean)).info.get("comment") is None
        assert getattr(Image.open(io.BytesIO(clean)), "n_frames", 1) == getattr(
            Image.open(io.BytesIO(data)), "n_frames", 1
        )
        assert without_metadata(clean) == clean
        tags = Image.open(io.BytesIO(clean)).getexif()
        assert set(tags) <= {0x0112}


def test_colours_stay() -> None:
    profile = b"a profile of colours"
    clean = without_metadata(jpeg(icc_profile=profile))
    assert Image.open(io.BytesIO(clean)).info["icc_profile"] == profile


def test_what_a_file_is_says_its_inside() -> None:
    assert form_of(jpeg()) == FileForm("image/jpeg", 6, 4)
    assert form_of(jpeg(6)) == FileForm("image/jpeg", 4, 6)
    assert form_of(png()) == FileForm("image/png", 6, 4)
    assert form_of(saved("GIF")) == FileForm("image/gif", 6, 4)
    for options in ({}, {"lossless": True}, {"exif": exif()}):
        assert form_of(saved("WEBP", **options)) == FileForm("image/webp", 6, 4)
    assert form_of(b"<html>") == FileForm("application/octet-stream")
    assert form_of(b"\xff\xd8\xff") == FileForm("image/jpeg")


def test_what_is_damaged_is_not_sent() -> None:
    for data in (jpeg(), png(), saved("GIF"), saved("WEBP", exif=exif())):
        for cut in (3, 11, len(data) // 2, len(data) - 1):
            broken = data[:cut]
            try:
                assert len(without_metadata(broken)) <= cut
            except InvalidData:
                continue
    with pytest.raises(InvalidData, match="ends or goes on"):
        without_metadata(jpeg()[:-2])
    with pytest.raises(InvalidData, match="video/mp4"):
        without_metadata(b"\0\0\0\x18ftypisom" + bytes(20))
    assert "image/heic" not in CLEANED


def test_chunks_that_nobody_knows_go() -> None:
    body = b"prVt" + b"secret"
    chunk = struct.pack(">I", 6) + body + struct.pack(">I", zlib.crc32(body))
    data = png()
    with_it = data[:33] + chunk + data[33:]
    assert without_metadata(with_it) == without_metadata(data)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_what_is_kept_has_no_room_for_more() -> None:
    """Segments and chunks of a known name, longer than they are."""
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + b"secret")
    for more in (adobe, segment(0xF0, b"secret"), segment(0x9A, b"secret")):
        data = jpeg()[:2] + more + jpeg()[2:]
        assert b"secret" not in without_metadata(data)
    assert adobe[4:16] in without_metadata(jpeg()[:2] + adobe + jpeg()[2:])
    for name in (b"pHYs", b"gAMA", b"sRGB", b"acTL"):
        more = png_chunk(name, b"secret of the maker" * 2)
        assert without_metadata(png()[:33] + more + png()[33:]) == without_metadata(png())
    assert png_chunk(b"gAMA", bytes(4)) in without_metadata(
        png()[:33] + png_chunk(b"gAMA", bytes(4)) + png()[33:]
    )
    frames = saved("WEBP", save_all=True, append_images=[Image.new("RGB", (6, 4))])
    at = frames.index(b"ANMF")
    (length,) = struct.unpack_from("<I", frames, at + 4)
    hidden = b"PRVT" + struct.pack("<I", 6) + b"secret"
    frame = struct.pack("<4sI", b"ANMF", length + len(hidden)) + frames[at + 8 : at + 8 + length]
    body = frames[8:at] + frame + hidden + frames[at + 8 + length :]
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    assert without_metadata(data) == without_metadata(frames)


def test_a_picture_that_holds_nothing_has_no_size() -> None:
    assert form_of(b"RIFF\4\0\0\0WEBP") == FileForm("image/webp")
    assert form_of(b"RIFF\0\0\0\0WEBPVP8 ") == FileForm("image/webp")
