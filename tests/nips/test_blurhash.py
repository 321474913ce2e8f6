"""A few characters that stand in for a picture, whoever wrote them."""

from __future__ import annotations

import base64
import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from nostr_client.nips.blurhash import (
    MOST_SIDE,
    decode_blurhash,
    decode_thumbhash,
    encode_blurhash,
)


def pixel(data: bytes, width: int, x: int, y: int) -> tuple[int, ...]:
    return tuple(data[3 * (y * width + x) :][:3])


def near(one: tuple[int, ...], other: tuple[int, ...], most: int = 40) -> bool:
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))


def test_one_colour_is_that_colour() -> None:
    for colour in ((200, 30, 90), (0, 0, 0), (255, 255, 255)):
        code = encode_blurhash(bytes(colour) * 64, 8, 8)
        shown = decode_blurhash(code, 4, 3)
        assert len(shown) == 36
        assert near(pixel(shown, 4, 0, 0), colour, 3)


def test_what_is_dark_stays_dark() -> None:
    picture = b"".join(bytes((230, 20, 20) if x < 10 else (10, 10, 200)) for x in range(20)) * 16
    code = encode_blurhash(picture, 20, 16)
    assert len(code) == 28
    shown = decode_blurhash(code, 20, 16)
    assert near(pixel(shown, 20, 4, 8), (230, 20, 20), 60)
    assert near(pixel(shown, 20, 15, 8), (10, 10, 200), 60)


def thumbhash(pixels: list[tuple[int, ...]], width: int, height: int) -> str:
    """As its reference makes one of a picture without clear places, wider than high."""
    rows = [[value / 255 for value in pixel] for pixel in pixels]
    light = [sum(row) / 3 for row in rows]
    yellow = [(r + g) / 2 - b for r, g, b in rows]
    red = [r - g for r, g, b in rows]

    def terms(channel: list[float], nx: int, ny: int) -> tuple[float, list[float], float]:
        found = []
        for cy in range(ny):
            for cx in (x for x in range(nx) if x * ny < nx * (ny - cy)):
                waves = (
                    value
                    * math.cos(math.pi / width * cx * (place % width + 0.5))
                    * math.cos(math.pi / height * cy * (place // width + 0.5))
                    for place, value in enumerate(channel)
                )
                found.append(sum(waves) / (width * height))
        scale = max(map(abs, found[1:]))
        return found[0], [0.5 + 0.5 / scale * f if scale else 0.5 for f in found[1:]], scale

    down = max(1, round(7 * height / width))
    l_dc, l_ac, l_scale = terms(light, 7, max(3, down))
    p_dc, p_ac, p_scale = terms(yellow, 3, 3)
    q_dc, q_ac, q_scale = terms(red, 3, 3)
    head = round(63 * l_dc) | round(31.5 + 31.5 * p_dc) << 6 | round(31.5 + 31.5 * q_dc) << 12
    head |= round(31 * l_scale) << 18
    more = down | round(63 * p_scale) << 3 | round(63 * q_scale) << 9 | 1 << 15
    nibbles = [round(15 * f) for f in (*l_ac, *p_ac, *q_ac)]
    halves = [a | b << 4 for a, b in zip(nibbles[::2], [*nibbles[1::2], 0], strict=False)]
    data = head.to_bytes(3, "little") + more.to_bytes(2, "little") + bytes(halves)
    return base64.b64encode(data).decode().rstrip("=")


def test_a_thumbhash() -> None:
    left, right = (220, 60, 40), (30, 60, 180)
    code = thumbhash([left if place % 16 < 8 else right for place in range(160)], 16, 10)
    shown = decode_thumbhash(code, 16, 10)
    assert near(pixel(shown, 16, 3, 5), left)
    assert near(pixel(shown, 16, 12, 5), right)
    assert len(decode_thumbhash("1QcSHQRnh493V4dIh4eXh1h4kJUI", 8, 8)) == 192


@pytest.mark.parametrize(
    "code",
    ["", "é", "0", "0000", "~" * 200, "eVF$^OI:${M{o#*0-nNF", "LEHV6nWB2yk8pyo0adR*.7kCMd j"],
)
def test_what_is_none_is_refused(code: str) -> None:
    with pytest.raises(InvalidData):
        decode_blurhash(code, 8, 8)
    with pytest.raises(InvalidData):
        decode_thumbhash("!!" + code, 8, 8)


@settings(max_examples=50)
@given(st.text(max_size=90), st.integers(1, 6), st.integers(1, 6))
def test_whatever_is_written_gives_pixels_or_nothing(code: str, width: int, height: int) -> None:
    for decode in (decode_blurhash, decode_thumbhash):
        with contextlib.suppress(InvalidData):
            assert len(decode(code, width, height)) == 3 * width * height
    with pytest.raises(InvalidData):
        decode_blurhash("000000", MOST_SIDE + 1, 1)
