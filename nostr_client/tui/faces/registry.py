"""Faces by kind. They are found by themselves: each file of this folder that has `FACES`.

Nothing is loaded before something else than a note is to be shown.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.tui import faces
from nostr_client.tui.faces import unknown
from nostr_client.tui.faces.face import Face

NOTE: Final = Face((kinds.NOTE,), "note")


def face_of(kind: int) -> Face:
    """The face of the events of a kind; that of what nobody here knows has a word for it too."""
    return NOTE if kind == kinds.NOTE else all_faces().get(kind, unknown.UNKNOWN)


def called(event: Event) -> str:
    """What an event is called in words: `poll`, `article`, `event of kind 12345`."""
    face = face_of(event.kind)
    return f"event of kind {event.kind}" if face is unknown.UNKNOWN else face.called


@functools.cache
def all_faces() -> Mapping[int, Face]:
    """Kind -> its face, of all files. Raises ValueError if two claim one kind."""
    found = {kinds.NOTE: NOTE}
    for module in pkgutil.iter_modules(faces.__path__):
        for face in getattr(import_module(f"{faces.__name__}.{module.name}"), "FACES", ()):
            for kind in face.kinds:
                if found.setdefault(kind, face) is not face:
                    raise ValueError(f"kind {kind} has two faces: {module.name} has the second")
    return found
