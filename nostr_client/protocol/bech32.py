"""Codes with a checksum (BIP-173), by pynostr; `nips.nip19` knows what they say.

Of pynostr only `pynostr.bech32` is loaded: its events and keys bring its network code along.
`pynostr.utils.bech32_decode` is not used: it loses a zero byte at the end, and asks for no prefix.
"""

from __future__ import annotations

import re

from pynostr import bech32

from nostr_client.errors import InvalidCode

_around = re.compile("[\\s\ufeff\"'\u201c\u201d\u2018\u2019<>`]+")


def encode_bech32(prefix: str, data: bytes) -> str:
    """`data` as bech32 (BIP-173, not its later form bech32m), with `prefix`, in lower case."""
    return str(bech32.bech32_encode(prefix, bech32.convertbits(data, 8, 5), bech32.Encoding.BECH32))


def decode_bech32(text: str) -> tuple[str, bytes]:
    """The prefix in lower case and the data. Raises InvalidCode, which never quotes `text`."""
    prefix, words, encoding = bech32.bech32_decode(text)
    if encoding is not bech32.Encoding.BECH32:
        raise InvalidCode("a character is wrong or missing: the checksum does not fit")
    data = bech32.convertbits(words, 5, 8, False)
    if data is None:
        raise InvalidCode("the code does not hold whole bytes")
    return prefix, bytes(data)


def unfolded(text: str) -> str:
    """A code as it was before somebody kept it: without the line breaks, quotes, byte order mark
    and spaces that letters, editors and other programs put around it and into it; a code that is
    all in capitals in lower case (BIP-173 allows both, and no mixture)."""
    bare = _around.sub("", text)
    return bare.lower() if bare.isupper() else bare
