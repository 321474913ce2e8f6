"""All acts there are: what each file of this folder lists as `ACTS`.

Lists of notes import this, so a file here may not import what shows one when it is loaded: screens
are opened by `Actions.open`, or imported where they are needed.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from nostr_client.tui import acts
from nostr_client.tui.acts.act import Act, NoteAct, PersonAct
from nostr_client.tui.keymap import Key, KeyGroup


def _found() -> Iterator[Act[Any]]:
    for module in pkgutil.iter_modules(acts.__path__):
        yield from getattr(import_module(f"{acts.__name__}.{module.name}"), "ACTS", ())


ACTS: Final[tuple[Act[Any], ...]] = tuple(sorted(_found(), key=lambda act: (act.place, act.id)))
ACT_BY_ID: Final[Mapping[str, Act[Any]]] = {act.id: act for act in ACTS}
NOTE: Final = KeyGroup(
    "On a note",
    (
        *(act.key for act in ACTS if isinstance(act, NoteAct)),
        Key("s", "unfold", "Show or hide what a content warning folds"),
        Key("i", "pictures", "Show its pictures; once more, one of them large"),
    ),
    "note",
)
PERSON: Final = KeyGroup(
    "On a person", tuple(act.key for act in ACTS if isinstance(act, PersonAct)), "person"
)
