"""Compressed messages (RFC 7692, permessage-deflate), with no memory kept between two writes.

The library negotiates, and inflates within the limit of a message. A client must begin each of its
messages anew (`client_no_context_takeover`). What is written together, a page of stored events, is
deflated as one stream, so that an event may refer to those before it, and the compressor is thrown
away: the RFC lets a server forget at any message. So an idle connection costs nothing more.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Final

from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)

from relays.engine.frames import frame_header

WORTHWHILE: Final = 128
"""Bytes of a message below which it is sent plain, as OK and EOSE are."""
INFLATER: Final = 48 * 1024
"""Bytes of a message that has begun to be inflated, beside its text: a window and zlib's state."""
_LEVEL: Final = 1
"""The loop waits meanwhile: a better ratio is a later answer for everybody."""
_SHARED: Final = 16 * 1024
"""Bytes that are remembered deflated, since they may go to many clients, one after the other."""
_RSV1: Final = 0x40
_END: Final = b"\x00\x00\xff\xff"


OFFERS: Final = (ServerPerMessageDeflateFactory(client_no_context_takeover=True),)


def deflate(frames: bytes, using: PerMessageDeflate) -> bytes:
    """The same frames, which `relays.engine.frames` made, deflated where that is worthwhile."""
    bits, alone = using.local_max_window_bits, using.local_no_context_takeover
    if len(frames) <= _SHARED:
        return _remembered(frames, bits, alone)
    return _deflate(frames, bits, alone)


def _deflate(frames: bytes, bits: int, alone: bool) -> bytes:
    view, pieces, at, plain_from = memoryview(frames), list[bytes | memoryview](), 0, 0
    stream = None
    while at < len(frames):
        size, head = frames[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(frames[at + 2 : at + 4]), 4
        elif size == 127:
            size, head = int.from_bytes(frames[at + 2 : at + 10]), 10
        begin, end = at + head, at + head + size
        if size >= WORTHWHILE:
            if stream is None or alone:
                stream = zlib.compressobj(_LEVEL, wbits=-bits, memLevel=8)
            data = stream.compress(view[begin:end]) + stream.flush(zlib.Z_SYNC_FLUSH)
            data = data.removesuffix(_END)
            pieces += (view[plain_from:at], frame_header(len(data), _RSV1), data)
            plain_from = end
        at = end
    pieces.append(view[plain_from:])
    return b"".join(pieces)


_remembered = lru_cache(maxsize=64)(_deflate)
