"""The registers of a HyperLogLog (NIP-45), as every engine makes them. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def registers_of(leasts: Iterable[str]) -> bytes:
    """256 registers, from the least of the pubkeys' ends that begin with the same byte, for each
    byte; an end is hex, from the filter's offset on."""
    registers = bytearray(256)
    for least in leasts:
        bits = 4 * (len(least) - 2)
        registers[int(least[:2], 16)] = 1 + bits - int(least[2:], 16).bit_length()
    return bytes(registers)
