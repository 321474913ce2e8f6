"""BlurHash and ThumbHash: a few characters that stand in for a picture until it is there.

Both are sums of cosines; here they become pixels of any small size. The work is bounded by that
size, whatever the code says: a blurhash has at most 81 terms, a thumbhash 49.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from nostr_client.errors import InvalidData

MOST_SIDE: Final = 128
"""Pixels of a side."""
_ALPHABET: Final = (
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
)
_DIGITS: Final = {char: value for value, char in enumerate(_ALPHABET)}
_ACROSS, _DOWN = 4, 3
"""Terms of the blurhashes that are made here."""


def decode_blurhash(code: str, width: int, height: int) -> bytes:
    """`width` x `height` pixels, three bytes (red, green, blue) each, row by row.

    Raises InvalidData.
    """
    _check_size(width, height)
    sides = _number(code[:1])
    across, down = sides % 9 + 1, sides // 9 + 1
    if len(code) != 4 + 2 * across * down:
        raise InvalidData("not a blurhash: its length is not what its beginning says")
    most = (_number(code[1:2]) + 1) / 166
    mean = _number(code[2:6])
    terms = [tuple(map(_linear, (mean >> 16, mean >> 8 & 255, mean & 255)))]
    for start in range(6, len(code), 2):
        value = _number(code[start : start + 2])
        parts = (value // 361, value // 19 % 19, value % 19)
        terms.append(tuple(math.copysign(((p - 9) / 9) ** 2, p - 9) * most for p in parts))
    channels = [
        _waves(
            [[t[channel] for t in terms[row * across :][:across]] for row in range(down)],
            width,
            height,
        )
        for channel in range(3)
    ]
    return bytes(_encoded(value) for pixel in zip(*channels, strict=True) for value in pixel)


def encode_blurhash(pixels: bytes, width: int, height: int) -> str:
    """The blurhash of such pixels. Raises InvalidData where they are not `width` x `height`."""
    _check_size(width, height)
    if len(pixels) != 3 * width * height:
        raise InvalidData("these are not the pixels of a picture of this size")
    linear = [_linear(value) for value in range(256)]
    terms = [
        _term([linear[value] for value in pixels], width, height, i, j)
        for j in range(_DOWN)
        for i in range(_ACROSS)
    ]
    (red, green, blue), *others = terms
    most = min(82, max(0, int(max(abs(part) for term in others for part in term) * 166 - 0.5)))
    scale = (most + 1) / 166
    mean = _encoded(red) << 16 | _encoded(green) << 8 | _encoded(blue)
    code = _digits((_DOWN - 1) * 9 + _ACROSS - 1, 1) + _digits(most, 1) + _digits(mean, 4)
    for term in others:
        r, g, b = (
            min(18, max(0, int(math.copysign(math.sqrt(abs(part / scale)), part) * 9 + 9.5)))
            for part in term
        )
        code += _digits((r * 19 + g) * 19 + b, 2)
    return code


def _term(values: Sequence[float], width: int, height: int, i: int, j: int) -> list[float]:
    """How much of the wave `i` across and `j` down is in each channel."""
    along = [math.cos(math.pi * i * (x + 0.5) / width) for x in range(width)]
    sums = [0.0, 0.0, 0.0]
    for y in range(height):
        down = math.cos(math.pi * j * (y + 0.5) / height)
        row = values[3 * width * y : 3 * width * (y + 1)]
        for channel in range(3):
            part = sum(wave * v for wave, v in zip(along, row[channel::3], strict=True))
            sums[channel] += down * part
    factor = (1 if i == j == 0 else 2) / (width * height)
    return [factor * each for each in sums]


def _digits(value: int, count: int) -> str:
    return "".join(_ALPHABET[value // 83 ** (count - 1 - place) % 83] for place in range(count))


def decode_thumbhash(code: str, width: int, height: int) -> bytes:
    """The same of a thumbhash, which is base64; over a grey ground where the picture is clear.

    Raises InvalidData.
    """
    _check_size(width, height)
    terms = _thumb_terms(code)
    light, yellow, red, alpha = (_waves(channel, width, height) for channel in terms)
    pixels = bytearray()
    for lightness, p, q, a in zip(light, yellow, red, alpha, strict=True):
        blue = lightness - 2 / 3 * p
        reddish = (3 * lightness - blue + q) / 2
        clear = min(max(a, 0.0), 1.0)
        for value in (reddish, reddish - q, blue):
            pixels.append(round(255 * (min(max(value, 0.0), 1.0) * clear + 0.5 * (1 - clear))))
    return bytes(pixels)


Grid = Sequence[Sequence[float]]


class _ThumbTerms(NamedTuple):
    """Factors of cosines, by row (down) and column (across), of each channel."""

    light: Grid
    yellow: Grid
    red: Grid
    alpha: Grid


def _thumb_terms(code: str) -> _ThumbTerms:
    data = _base64(code)
    if len(data) < 5:
        raise InvalidData("not a thumbhash: too short")
    head, more = int.from_bytes(data[:3], "little"), int.from_bytes(data[3:5], "little")
    has_alpha, landscape = bool(head >> 23), bool(more >> 15)
    short = more & 7
    across = max(3, (5 if has_alpha else 7) if landscape else short)
    down = max(3, short if landscape else (5 if has_alpha else 7))
    nibbles = [half for byte in data[6 if has_alpha else 5 :] for half in (byte & 15, byte >> 4)]
    rest = iter(nibbles)

    def channel(mean: float, nx: int, ny: int, scale: float) -> Grid:
        grid = []
        for cy in range(ny):
            row = []
            for cx in range(nx):
                if cx * ny < nx * (ny - cy):
                    is_mean = cx == cy == 0
                    row.append(mean if is_mean else (next(rest) / 7.5 - 1) * scale * 2)
            grid.append(row)
        return grid

    try:
        light = channel((head & 63) / 63, across, down, (head >> 18 & 31) / 31)
        yellow = channel((head >> 6 & 63) / 31.5 - 1, 3, 3, (more >> 3 & 63) / 63 * 1.25)
        red = channel((head >> 12 & 63) / 31.5 - 1, 3, 3, (more >> 9 & 63) / 63 * 1.25)
        if not has_alpha:
            return _ThumbTerms(light, yellow, red, [[1.0]])
        return _ThumbTerms(
            light, yellow, red, channel((data[5] & 15) / 15, 5, 5, (data[5] >> 4) / 15)
        )
    except (StopIteration, RuntimeError, IndexError):
        raise InvalidData("not a thumbhash: too short") from None


def _waves(terms: Grid, width: int, height: int) -> list[float]:
    """The sum of the cosines at each pixel, first along the rows, then down."""
    rows = []
    for row in terms:
        waves = [
            [math.cos(math.pi * i * (x + 0.5) / width) for x in range(width)]
            for i in range(len(row))
        ]
        rows.append([sum(f * w[x] for f, w in zip(row, waves, strict=True)) for x in range(width)])
    found: list[float] = []
    for y in range(height):
        down = [math.cos(math.pi * j * (y + 0.5) / height) for j in range(len(rows))]
        found += (sum(f * row[x] for f, row in zip(down, rows, strict=True)) for x in range(width))
    return found


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE):
        raise InvalidData(f"a placeholder has 1 to {MOST_SIDE} pixels a side")


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        if digit not in _DIGITS:
            raise InvalidData("not a blurhash: no digit of its alphabet")
        value = value * 83 + _DIGITS[digit]
    return value


def _linear(value: int) -> float:
    part = min(value, 255) / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _encoded(value: float) -> int:
    part = min(max(value, 0.0), 1.0)
    shown = part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055
    return int(shown * 255 + 0.5)


def _base64(code: str) -> bytes:
    try:
        return base64.b64decode(code + "=" * (-len(code) % 4), altchars=None, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidData("not a thumbhash: not base64") from None
