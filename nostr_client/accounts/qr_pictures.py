"""What QR codes in a picture say: of somebody's relays, as a friend shows them.

The picture is a stranger's file, however it got here: few formats are read, and none that is larger
than a camera's. `pillow` and `zxing-cpp` are extras, imported here alone.
"""

from __future__ import annotations

import io
import warnings
from typing import Final

from nostr_client.errors import ConfigError, InvalidData

MOST_BYTES: Final = 32 * 2**20
MOST_PIXELS: Final = 50_000_000
_HEADS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM")
_FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


def is_picture(head: bytes) -> bool:
    """Does a file that begins so (12 bytes) hold a picture?"""
    return head.startswith(_HEADS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def codes_in(data: bytes) -> tuple[str, ...]:
    """The texts of the QR codes in a picture. Blocks, for about a second at most.

    Raises InvalidData for what cannot be read, ConfigError where the packages are missing.
    """
    try:
        import zxingcpp
        from PIL import Image
    except ImportError:
        raise ConfigError(
            "pictures need the packages zxing-cpp and pillow: pip install 'nostr-client[pictures]'"
        ) from None
    if len(data) > MOST_BYTES:
        raise InvalidData(f"a picture has at most {MOST_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = Image.open(io.BytesIO(data), formats=_FORMATS)
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise InvalidData(f"a picture has at most {MOST_PIXELS:,} pixels")
            grey = picture.convert("L").tobytes()
    except InvalidData:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Warning):
        raise InvalidData("this picture cannot be read") from None
    wanted = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    pixels = memoryview(grey).cast("B", (height, width))
    found = zxingcpp.read_barcodes(pixels, formats=wanted)
    return tuple(code.text for code in found if code.valid)
