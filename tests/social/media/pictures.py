"""Small real pictures with all kinds of things said beside them."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

GPS = "Exif with a place"


def image(mode: str = "RGB") -> Image.Image:
    picture = Image.new(mode, (6, 4), 90)
    picture.putpixel((1, 2), 200 if mode in ("P", "L") else (250, 10, 20))
    return picture


def exif(orientation: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010E] = GPS
    found[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
    return found


def jpeg(orientation: int = 1, **options: Any) -> bytes:
    out = io.BytesIO()
    xmp = b"<x:xmpmeta>where</x:xmpmeta>"
    image().save(out, "JPEG", exif=exif(orientation), xmp=xmp, **options)
    return out.getvalue()


def saved(form: str, picture: Image.Image | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    (picture or image("P" if form == "GIF" else "RGB")).save(out, form, **options)
    return out.getvalue()
