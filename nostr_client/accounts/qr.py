"""The code of a bunker, or ours, as a QR code in text: two squares above each other in one cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from nostr_client.nips.nip46 import ClientMetadata, NostrConnectUri

QUIET: Final = 1
"""Light squares around the code."""
_CELLS: Final = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
"""What stands for two squares, where 1 is dark: the text's colour is the light one."""


def qr_lines(uri: NostrConnectUri, rows: int) -> list[str]:
    """The code in at most `rows` lines, light on dark; none where it is longer than that.

    What need not be in it is left out for room: the permissions, all relays but the shortest, and
    our name. What a bunker is shown is good all the same.
    """
    return next(filter(None, (qr_of(each.format(), rows) for each in _ever_shorter(uri))), [])


def qr_of(text: str, rows: int) -> list[str]:
    """`text` as such a code in at most `rows` lines; none where it is longer than that."""
    import segno

    code = segno.make(text, error="l", micro=False)
    squares = [[int(bool(dark)) for dark in row] for row in code.matrix_iter(border=QUIET)]
    if len(squares) % 2:
        squares.append([0] * len(squares[0]))
    if len(squares) // 2 > rows:
        return []
    pairs = zip(squares[::2], squares[1::2], strict=True)
    return ["".join(map(_cell, upper, lower)) for upper, lower in pairs]


def _cell(upper: int, lower: int) -> str:
    return _CELLS[upper, lower]


def _ever_shorter(uri: NostrConnectUri) -> Iterator[NostrConnectUri]:
    yield uri
    uri = msgspec.structs.replace(uri, permissions=())
    yield uri
    uri = msgspec.structs.replace(uri, relays=(min(uri.relays, key=len),))
    yield uri
    yield msgspec.structs.replace(uri, metadata=ClientMetadata())
