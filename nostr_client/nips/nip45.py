"""Counts of people that can be merged between relays: HyperLogLog (NIP-45).

A value is 256 registers, a byte each. Of a pubkey one byte, at an offset that the filter decides,
names the register; the register keeps the longest run of zero bits seen after that byte, plus one.
Merging takes the greater of each register, so that nobody is counted twice.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.messages import is_hll

REGISTERS: Final = 256
ERROR: Final = 1.04 / math.sqrt(REGISTERS)
"""The standard error of an estimate, relative: 6.5 %."""
_pubkey_in = re.compile("[0-9]+:([0-9a-f]{64}):.*", re.DOTALL).fullmatch


def offset_of(f: Filter) -> int | None:
    """The offset for a filter, 8 to 23, or None where the NIP leaves it open.

    It knows filters of one tag with one value; of several the first would count, and to which one
    that is, relays do not agree.
    """
    if len(f.tags) != 1:
        return None
    [values] = f.tags.values()
    if len(values) != 1:
        return None
    [value] = values
    if not is_hex64(value):
        address = _pubkey_in(value)
        value = address[1] if address else sha256(_utf8(value)).hexdigest()
    return int(value[32], 16) + 8


def registers_of(pubkeys: Iterable[str], offset: int) -> bytes:
    """The registers for these authors, each 64 hex digits."""
    registers = bytearray(REGISTERS)
    for pubkey in pubkeys:
        at = 2 * offset
        index, rest = int(pubkey[at : at + 2], 16), pubkey[at + 2 :]
        run = 1 + 4 * len(rest) - int(rest, 16).bit_length()
        registers[index] = max(registers[index], run)
    return bytes(registers)


def merge(values: Iterable[bytes]) -> bytes:
    """The registers for all authors whom some of `values` have counted."""
    merged = bytes(REGISTERS)
    for value in values:
        merged = bytes(map(max, merged, value))
    return merged


def estimate(registers: bytes) -> int:
    """About how many authors were counted, by Ertl's improved estimator.

    It needs no corrections for small or large counts (arXiv:1702.01284, algorithm 6, for registers
    that never run full).
    """
    counts = Counter(registers)
    total = REGISTERS * _sigma(counts.pop(0, 0) / REGISTERS)
    total += sum(count * 2.0**-run for run, count in counts.items())
    return round(REGISTERS**2 / (2 * math.log(2) * total))


def decode(text: str) -> bytes:
    """The registers from hex of unknown origin. Raises InvalidData."""
    if not is_hll(text):
        raise InvalidData("not the 512 hex digits of a HyperLogLog value")
    return bytes.fromhex(text)


def _sigma(x: float) -> float:
    """The sum of x + x^2 + 2 x^4 + 4 x^8 + ..."""
    if x == 1:
        return math.inf
    power, factor, total = x, 1, x
    while True:
        power *= power
        before, total = total, total + power * factor
        factor += factor
        if total == before:
            return total


def _utf8(text: str) -> bytes:
    """Half a character, which JSON can carry, is hashed as the three bytes that it would have."""
    return text.encode("utf-8", "surrogatepass")
