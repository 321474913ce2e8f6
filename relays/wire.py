"""WebSocket text frames from the server (RFC 6455, section 5.2), made in bulk.

A frame is made once and written to every socket that is to have it; so frames, not messages, are
what the relay hands to its sockets.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

import msgspec

_short = Struct(">BB").pack
_medium = Struct(">BBH").pack
_long = Struct(">BBQ").pack
_TEXT = 0x81  # the final and only fragment of a text message
_encode = msgspec.json.Encoder().encode


def _header(size: int) -> bytes:
    if size < 126:
        return _short(_TEXT, size)
    if size < 65_536:
        return _medium(_TEXT, 126, size)
    return _long(_TEXT, 127, size)


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame around `payload`, which is UTF-8."""
    return _header(len(payload)) + payload


def event_head(subscription_id: str) -> bytes:
    """What stands before an event in the frames of one subscription."""
    return b'["EVENT",' + _encode(subscription_id) + b","


def event_frame(head: bytes, event_json: bytes) -> bytes:
    """The frame of `["EVENT", id, event]`; `head` is `event_head(id)`."""
    return b"".join((_header(len(head) + len(event_json) + 1), head, event_json, b"]"))


def event_frames(head: bytes, event_jsons: Iterable[bytes]) -> bytes:
    """The frames of many events of one subscription, one after the other."""
    extra = len(head) + 1
    pieces: list[bytes] = []
    add = pieces.append
    for event_json in event_jsons:
        size = len(event_json) + extra
        # The usual size without a call: this loop is a large part of a query's cost.
        add(_medium(_TEXT, 126, size) if 126 <= size < 65_536 else _header(size))
        add(head)
        add(event_json)
        add(b"]")
    return b"".join(pieces)
