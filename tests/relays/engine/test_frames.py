"""Frames as the websockets library reads them."""

from __future__ import annotations

import json

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from relays.engine.frames import event_frame, event_frames, event_head, text_frame


def read(data: bytes) -> list[bytes]:
    client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
    client.receive_data(data)
    frames = client.events_received()
    assert client.parser_exc is None
    assert all(isinstance(frame, Frame) and frame.fin for frame in frames)
    return [bytes(frame.data) for frame in frames if isinstance(frame, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_text_frames_of_every_size(size: int) -> None:
    assert read(text_frame(b"x" * size)) == [b"x" * size]


@pytest.mark.parametrize("size", [0, 80, 120, 65_500, 70_000])
def test_event_frames(size: int) -> None:
    head = event_head('a"ü')
    event = json.dumps({"content": "x" * size}).encode()
    one = read(event_frame(head, event))
    assert [json.loads(frame) for frame in one] == [["EVENT", 'a"ü', {"content": "x" * size}]]
    assert read(event_frames(head, [event, event, event])) == one * 3
    assert event_frames(head, []) == b""
