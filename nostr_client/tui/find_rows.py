"""What was found, as the rows of Find: people, tags, notes, relays, and where a code leads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from textual.content import Content

from nostr_client.nips import nip19
from nostr_client.safe_text import safe_line
from nostr_client.social.people_search import FoundPerson
from nostr_client.social.pointers import (
    HexPointer,
    LinkPointer,
    NamePointer,
    Pointer,
    RelayPointer,
    SecretPointer,
    TagPointer,
    pointed_at,
    relay_meant,
)
from nostr_client.social.search import FoundRelay, FoundTag, LocalFindings, RelayFindings
from nostr_client.social.views import NoteView, Profile
from nostr_client.tui.avatars import INDENT, Avatars
from nostr_client.tui.note_renderer import not_the_one
from nostr_client.tui.targets import (
    NoteTarget,
    PersonTarget,
    RelayTarget,
    SectionTarget,
    TagTarget,
    Target,
    WebTarget,
    target_of,
)
from nostr_client.tui.time_format import ago
from nostr_client.tui.widgets.items import ItemRenderer, Styles

HEAD: Final = 8
"""Cells of the column that says what a row is."""
NAME: Final = 24
COLUMN: Final = 12
"""Cells that a name takes at most, and at least, where something stands behind it."""
CHARACTERS: Final = 400
"""Of a note, from which its line is made."""
ABOUT: Final = 200
"""Cells of what a person says of themselves."""
ALL_NOTES: Final = "all notes"


class Sort(StrEnum):
    """What a row is of."""

    GO = "go to"
    PEOPLE = "people"
    TAGS = "tags"
    NOTES = "notes"
    RELAYS = "relays"


NARROWED: Final = ("", Sort.PEOPLE, Sort.TAGS, Sort.NOTES, Sort.RELAYS)
"""What the list may be narrowed to; "" shows all."""


class FindRow(msgspec.Struct, frozen=True):
    """One row; its texts are safe lines. `target` is None where `pointer` has to be asked for
    first; `by`: whose name stands there; `first`: no row of the same sort stands above it."""

    sort: Sort
    key: str
    name: str
    said: str = ""
    aside: str = ""
    target: Target | None = None
    pointer: Pointer | None = None
    person: Profile | None = None
    by: Profile | None = None
    first: bool = False


def rows_of(
    typed: str, here: LocalFindings, people: Sequence[FoundPerson], notes: Sequence[NoteView]
) -> list[FindRow]:
    """All rows, in their order; `people` and `notes` hold what relays found, too."""
    every = (
        *_pointed(typed),
        *map(_person, people),
        *map(_tag, here.tags),
        *_notes(notes),
        *map(_relay, here.relays),
    )
    return list(_headed({row.key: row for row in every}.values()))


def target_at(pointer: Pointer) -> Target | None:
    """What a pointer opens; None where it has to be asked for first, and for a secret key."""
    match pointer:
        case RelayPointer(url):
            return RelayTarget(url)
        case TagPointer(tag):
            return TagTarget(tag)
        case LinkPointer(url):
            return WebTarget(url)
        case nip19.Nprofile() | nip19.Nevent() | nip19.Naddr():
            return target_of(pointer)
    return None


def relay_words(found: RelayFindings) -> str:
    """Which relays were asked, and what became of it: one line, safe; empty before that."""
    if not found.asked:
        return ""
    if found.nobody:
        return "No relay is known that searches."
    parts = [f"asking {_several(len(found.asking))} …"] if found.asking else []
    ended: dict[str, list[str]] = {}
    for url, end in sorted(found.ends.items()):  # whoever answers first
        if found.found[url]:
            parts.append(f"{found.found[url]} from {_host(url)}")
        else:
            ended.setdefault("nothing" if end.answered else end.how.value, []).append(_host(url))
    parts += [f"{how}: {', '.join(hosts)}" for how, hosts in ended.items()]
    return " · ".join(parts)


def index_words(here: LocalFindings) -> str:
    """What of this machine is not searched, if anything."""
    if here.problem:
        return here.problem
    return f"the index is being made: {here.behind:,} to go" if here.behind > FEW_BEHIND else ""


FEW_BEHIND: Final = 200
"""So many commits are indexed in a moment."""


class FindRenderer(ItemRenderer[FindRow]):
    """A row on one line: what it is of, what it is called, what it says, and what else is known.
    A person's stands beside their picture, where there is room for these. `namesake` finds whom
    somebody is called like who is followed."""

    def __init__(
        self,
        avatars: Avatars | None = None,
        namesake: Callable[[Profile], Profile | None] = lambda person: None,
    ) -> None:
        self._avatars = avatars
        self._namesake = namesake

    def key(self, item: FindRow) -> str:
        return item.key

    def lines(self, item: FindRow, width: int, style: Styles) -> list[Content]:
        person, avatars = item.person, self._avatars
        if person is None or avatars is None or not avatars.on:
            return [self._line(item, width, style)]
        about = Content.styled(safe_line(person.about, ABOUT), style("list--dim"))
        below = (Content(" " * HEAD) + about).truncate(width - INDENT, ellipsis=True)
        return avatars.beside(person, [self._line(item, width - INDENT, style), below])

    def _line(self, item: FindRow, width: int, style: Styles) -> Content:
        dim = style("list--dim")
        head = Content.styled((item.sort if item.first else "").ljust(HEAD), dim)
        aside = Content.styled(f"  {item.aside}" if item.aside else "", dim)
        other = self._namesake(item.by) if item.by is not None else None
        if other is not None:  # where nothing cuts it
            aside = Content.styled(f"  {not_the_one(other)}", style("list--warn")) + aside
        room = max(width - HEAD - aside.cell_length, NAME)
        name = Content.styled(item.name, style("list--strong")).truncate(NAME, ellipsis=True)
        if item.said:
            name = Content.assemble(
                name.pad_right(max(COLUMN - name.cell_length, 0)), "  ", item.said
            )
        text = name.truncate(room, ellipsis=True, pad=True)
        return Content.assemble(head, text, aside).truncate(width, ellipsis=True)


def _pointed(typed: str) -> Iterator[FindRow]:
    """What the text names by itself; and the relay that a bare host may be."""
    pointer = pointed_at(typed)
    if pointer is not None and not isinstance(pointer, SecretPointer):
        words = _pointer_words(pointer)
        target = target_at(pointer)
        yield FindRow(Sort.GO, "go", safe_line(typed, 60), words, target=target, pointer=pointer)
    elif pointer is None and (relay := relay_meant(typed)):
        yield FindRow(
            Sort.GO, f"relay {relay.url}", safe_line(relay.url, 60), "a relay?",
            target=RelayTarget(relay.url),
        )  # fmt: skip


def _pointer_words(pointer: Pointer) -> str:
    match pointer:
        case nip19.Nprofile():
            return "a person"
        case nip19.Nevent():
            return "a note"
        case nip19.Naddr():
            return "an article, a list or the like"
        case NamePointer(name):
            return f"{safe_line(name.partition('@')[2], 60)} says whose name that is"
        case HexPointer():
            return "a person or a note"
        case RelayPointer():
            return "what this relay has"
        case TagPointer():
            return "notes with this tag"
        case LinkPointer():
            return "a page of the web"
    return ""


def _person(found: FoundPerson) -> FindRow:
    profile = found.profile
    said = f"✓ {profile.handle}" if profile.handle else profile.short_npub
    return FindRow(
        Sort.PEOPLE,
        f"person {profile.pubkey}",
        profile.label,
        said,
        found.words,
        PersonTarget(profile.pubkey),
        person=profile,
        by=profile,
    )


def _tag(found: FoundTag) -> FindRow:
    count = "1 note here" if found.notes == 1 else f"{found.notes:,} notes here"
    name = f"#{safe_line(found.tag, 60)}"
    return FindRow(Sort.TAGS, f"tag {found.tag}", name, count, target=TagTarget(found.tag))


def _notes(notes: Sequence[NoteView]) -> Iterator[FindRow]:
    for note in notes:
        yield FindRow(
            Sort.NOTES,
            f"note {note.entry.id}",
            note.author.label,
            _text_of(note),
            ago(note.at, time.time()),
            NoteTarget.of(note),
            by=note.author,
        )
    if notes:
        yield FindRow(
            Sort.NOTES, ALL_NOTES, ALL_NOTES, "with these words, as a list",
            target=SectionTarget("search"),
        )  # fmt: skip


def _text_of(note: NoteView) -> str:
    if note.warning is not None:
        return (
            f"content warning: {safe_line(note.warning, 60)}" if note.warning else "content warning"
        )
    title = note.event.value("title") or ""
    return safe_line(f"{title[:CHARACTERS]} {note.event.content[:CHARACTERS]}".strip(), 240)


def _relay(found: FoundRelay) -> FindRow:
    url, name = safe_line(found.url, 80), safe_line(found.name, 60)
    return FindRow(Sort.RELAYS, f"relay {found.url}", url, name, target=RelayTarget(found.url))


def _headed(rows: Iterable[FindRow]) -> Iterator[FindRow]:
    above = None
    for row in rows:
        yield msgspec.structs.replace(row, first=row.sort is not above)
        above = row.sort


def _host(url: str) -> str:
    return safe_line(url.partition("://")[2] or url, 40)


def _several(count: int) -> str:
    return "1 relay" if count == 1 else f"{count} relays"
