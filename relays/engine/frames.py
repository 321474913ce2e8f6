"""WebSocket text frames from the server (RFC 6455, section 5.2), made in bulk.

A frame is made once and written to every socket that is to have it; so frames, not messages, are
what the relay hands to its sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

import msgspec

from nostr_client.protocol.messages import Ok

_short = Struct(">BB").pack
_medium = Struct(">BBH").pack
_long = Struct(">BBQ").pack
_TEXT = 0x81  # the final and only fragment of a text message
_encode = msgspec.json.Encoder().encode


def frame_header(size: int, bits: int = 0) -> bytes:
    """What stands before `size` bytes of text; `bits` are an extension's (RSV1 to RSV3)."""
    first = _TEXT | bits
    if size < 126:
        return _short(first, size)
    if size < 65_536:
        return _medium(first, 126, size)
    return _long(first, 127, size)


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame around `payload`, which is UTF-8."""
    return frame_header(len(payload)) + payload


_ACCEPTED: Final = tuple(text_frame(Ok("0" * 64, True).encode()).split(b"0" * 64))
"""What stands around the id in the commonest OK."""


def ok_frame(event_id: str, accepted: bool, reason: str = "") -> bytes:
    """The frame of OK."""
    if accepted and not reason:
        return _ACCEPTED[0] + event_id.encode() + _ACCEPTED[1]
    return text_frame(Ok(event_id, accepted, reason).encode())


def event_head(subscription_id: str) -> bytes:
    """What stands before an event in the frames of one subscription."""
    return b'["EVENT",' + _encode(subscription_id) + b","


def event_frame(head: bytes, event_json: bytes) -> bytes:
    """The frame of `["EVENT", id, event]`; `head` is `event_head(id)`."""
    return b"".join((frame_header(len(head) + len(event_json) + 1), head, event_json, b"]"))


class _Headers(dict[int, bytes]):
    """What stands between two frames, by the size of the next: the end of one, and a header.

    Made when they are first met; a size past `_MOST` is not kept, so that they stay few.
    """

    def __missing__(self, size: int) -> bytes:
        between = b"]" + frame_header(size)
        if size <= _MOST:
            self[size] = between
        return between


_MOST = 16_384
_header_before = _Headers().__getitem__


def event_frames(head: bytes, event_jsons: Sequence[bytes]) -> bytes:
    """The frames of many events of one subscription, one after the other."""
    if not event_jsons:
        return b""
    # No Python step for each event but one: this is a large part of a query's cost.
    extra = len(head) + 1
    sizes = [len(event_json) + extra for event_json in event_jsons]
    pieces = [head] * (3 * len(sizes))
    pieces[0::3] = list(map(_header_before, sizes))
    pieces[0] = pieces[0][1:]
    pieces[2::3] = event_jsons
    pieces.append(b"]")
    return b"".join(pieces)
