"""bech32 between bytes and text (BIP-173), on pynostr's reference code: the only import of pynostr.

`pynostr.utils.bech32_decode` is not used: it loses a trailing zero byte and checks no prefix.
"""

from __future__ import annotations

from typing import Final, cast

from pynostr import bech32 as reference

from nostr_client.errors import InvalidCode

MAX_LENGTH: Final = 5000
"""Characters of the longest code that is read (NIP-19)."""


def encode(prefix: str, data: bytes) -> str:
    """`data` as lowercase bech32 under `prefix`."""
    digits = reference.convertbits(data, 8, 5)
    return cast(str, reference.bech32_encode(prefix, digits, reference.Encoding.BECH32))


def decode(text: str) -> tuple[str, bytes]:
    """The prefix and the bytes of a bech32 code. Raises InvalidCode, which never quotes the code."""
    if len(text) > MAX_LENGTH:
        raise InvalidCode(f"a code has at most {MAX_LENGTH} characters")
    prefix, digits, encoding = reference.bech32_decode(text)
    if encoding is not reference.Encoding.BECH32:
        raise InvalidCode("not a bech32 code, or mistyped: its checksum does not fit")
    data = reference.convertbits(digits, 5, 8, False)
    if data is None:
        raise InvalidCode("a bech32 code with surplus bits")
    return prefix, bytes(data)
