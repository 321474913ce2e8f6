"""`nostr-client nip` and `kind`: what a number means, and how far this program goes; no network.

The two tables are short, in words of our own, and carried along. What is said of how far we go is
what the README says, which a test holds.
"""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from nostr_client.cli.command import add_pure_command
from nostr_client.command_line.tree import Argument, Group
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context

_TEXT: Final = "https://github.com/nostr-protocol/nips/blob/master/{}.md"
Words = Annotated[
    list[str], Argument("[WHAT...]", "A number, or a word of the title; without any, all of them.")
]


class Specification(NamedTuple):
    """A NIP: `state` is "in use", "draft" or "unrecommended"; then `instead` may name another."""

    number: str
    title: str
    state: str
    instead: str
    how_far: str


class KindRow(NamedTuple):
    """What events of the kinds from `first` to `last` are; `state` is "in use" or "deprecated"."""

    first: int
    last: int
    what: str
    nips: tuple[str, ...]
    state: str


def nip(context: Context, what: Words) -> None:
    """What a NIP is about, whether it is in use, and how far this program goes."""
    table = nips()
    wanted = " ".join(what).strip()
    number = _number(wanted)
    found = [one for one in table if one.number == number] or [
        one for one in table if wanted.lower() in one.title.lower()
    ]
    if not found:
        raise CommandError(f"no NIP is known here by that: {wanted}", Exit.USAGE)
    for one in found:
        _emit_nip(context, one)


def kind(context: Context, what: Words) -> None:
    """What events of a kind are, how relays keep them, and which NIP says so."""
    wanted = " ".join(what).strip()
    if wanted.isascii() and wanted.isdecimal():
        _emit_kind(context, int(wanted))
        return
    found = [row for row in kinds() if wanted.lower() in row.what.lower()]
    if not found:
        raise CommandError(f"no kind is known here by that: {wanted}", Exit.USAGE)
    for row in found:
        _emit_kind(context, row.first, row)


def nips() -> list[Specification]:
    """All that are known here, by number."""
    return [Specification(*row) for row in _rows("nips.tsv")]


def kinds() -> list[KindRow]:
    """All that are known here, by number."""
    return [
        KindRow(int(first), int(last), what, tuple(filter(None, by.split(","))), state)
        for first, last, what, by, state in _rows("kinds.tsv")
    ]


def _rows(name: str) -> list[list[str]]:
    data = pkgutil.get_data(__package__, name) or b""
    return [line.split("\t") for line in data.decode().splitlines() if not line.startswith("#")]


def _number(text: str) -> str:
    """`1`, `NIP-01` and `5a` as the table has them."""
    bare = text.upper().removeprefix("NIP").lstrip("- ")
    return bare.zfill(2) if bare else ""


def _emit_nip(context: Context, one: Specification) -> None:
    instead = f", {one.instead} instead" if one.instead else ""
    how_far = one.how_far or "not here"
    words = f"NIP-{one.number}  {one.title} ({one.state}{instead})\n  here: {how_far}"
    record = {
        "nip": one.number,
        "title": one.title,
        "state": one.state,
        "instead": one.instead or None,
        "how_far": one.how_far or None,
        "kinds": [row.first for row in kinds() if one.number in row.nips],
        "url": _TEXT.format(one.number),
    }
    context.out.emit(record, words)


def _emit_kind(context: Context, number: int, row: KindRow | None = None) -> None:
    from nostr_client.protocol.kinds import MAX_KIND, kind_class

    if number > MAX_KIND:
        raise CommandError(f"a kind is a number from 0 to {MAX_KIND}", Exit.USAGE)
    row = row or next((one for one in kinds() if one.first <= number <= one.last), None)
    sort = kind_class(number).value
    by = row.nips if row else ()
    span = f"{row.first} to {row.last}" if row and row.last != row.first else str(number)
    state = row.state if row else "unknown"
    said = f"{row.what if row else 'not in the table that is carried along'}"
    names = f"; {', '.join(f'NIP-{name}' if len(name) == 2 else name for name in by)}" if by else ""
    marked = "" if state == "in use" else f" ({state})"
    record = {
        "kind": number,
        "last": row.last if row else number,
        "what": row.what if row else None,
        "class": sort,
        "nips": list(by),
        "state": state,
    }
    context.out.emit(record, f"{span}  {said}{marked}; {sort}{names}")


def add_to(root: Group) -> None:
    """They stand at the top level."""
    add_pure_command(root, "nip", nip)
    add_pure_command(root, "kind", kind)
