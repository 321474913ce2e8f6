"""A process that looks at one stranger's picture, and ends: file in, few pixels out.

Decoders are large programs in C that read what an enemy wrote. So they run where nothing is: no
key, no store, no network of ours, little memory and little time (`resource`), and what they give
back is bytes of a size that was asked for. `pillow` is an extra, and imported here alone.

Standard input: the file. Arguments: the package's folder, and the most pixels across and down.
Standard output: width and height (two bytes each) and the pixels, three bytes each. Exit codes:
`UNREADABLE` for what is no picture, or too large to be looked at; `NO_PILLOW`.
"""

from __future__ import annotations

import io
import struct
import sys
import warnings
from typing import Final

MOST_PIXELS: Final = 50_000_000
"""Of the picture itself: what unpacks to more is no photograph, but a bomb."""
UNREADABLE: Final = 3
NO_PILLOW: Final = 4
_FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
_MEMORY: Final = 1536 * 2**20
_SECONDS: Final = 10
_GROUND: Final = (240, 240, 240)
"""What is behind a picture that is clear in places."""


def main() -> None:
    """What the process does. Ends it."""
    across, down = int(sys.argv[2]), int(sys.argv[3])
    _bound()
    data = sys.stdin.buffer.read()
    try:
        from PIL import Image, ImageOps  # noqa: F401
    except ImportError:
        sys.exit(NO_PILLOW)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = pixels_of(data, across, down)
    except Exception:  # noqa: BLE001 - whatever a decoder stumbles over, it is not a picture
        sys.exit(UNREADABLE)
    sys.stdout.buffer.write(found)


def pixels_of(data: bytes, across: int, down: int) -> bytes:
    """The picture in `data`, its first frame, made to fit. Raises anything at all."""
    from PIL import Image, ImageOps, WebPImagePlugin  # noqa: F401

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError("too many pixels")
    picture.draft("RGB", (across * 2, down * 2))
    small = ImageOps.exif_transpose(picture)
    if small.mode in ("P", "LA", "PA", "RGBA") or "transparency" in small.info:
        clear = small.convert("RGBA")
        small = Image.new("RGB", clear.size, _GROUND)
        small.paste(clear, mask=clear.getchannel("A"))
    small = small.convert("RGB")
    small.thumbnail((across, down), reducing_gap=2.0)
    return struct.pack(">HH", *small.size) + small.tobytes()


def _bound() -> None:
    try:
        import resource
    except ImportError:  # Windows: there the time limit of whoever waits is all
        return
    for limit, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):  # less is allowed already
            continue
