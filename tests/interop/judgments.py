"""Whose each failure is, found out by hand: what stands beside what the run saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.interop.cells import Feature

JUDGED: Final[Mapping[tuple[str, str, Feature], str]] = {
    ("relays", "khatru", Feature.DELETION): (
        "Theirs: to see whether an event was deleted, `handleNormal` asks its store for a tag named"
        " `#e`, and tags are named `e` there, so that it finds no deletion."
    ),
    ("relays", "khatru", Feature.NEGENTROPY): (
        'Theirs: `ParseNegMessage` of the go-nostr 0.51.8 that it requires takes `["NEG-OPEN"` for'
        " the label, with bracket and quotes, and so knows no message of NIP-77."
    ),
    ("relays", "nostr-rs-relay", Feature.TIES): (
        "Theirs: of two of one second it keeps the one that came first, whatever their ids."
    ),
    ("relays", "nostr-rs-relay", Feature.AUTH): (
        "Theirs: with `nip42_dms` it leaves out what is not for a stranger, and ends the answer as"
        " if it were whole, with no `auth-required:` that tells a client to say who it is."
    ),
    ("relays", "nostr_relay", Feature.TIES): (
        "Theirs: it removes what is older by its date, and keeps both of one second."
    ),
    ("relays", "nostr_relay", Feature.DELETION): "Theirs: it does not remember what was deleted.",
    ("relays", "nostr_relay", Feature.AUTH): (
        "Theirs: it says no in a NOTICE that begins with `restricted:` and belongs to no event,"
        " where NIP-42 has an OK that begins with `auth-required:`; our client says who it is where"
        " it is asked to."
    ),
    ("clients", "go-nostr", Feature.BUNKER): (
        "Theirs: this version encrypts requests as NIP-04 has it, which NIP-46 gave up for NIP-44;"
        " our bunker says so in its log and does not answer."
    ),
    ("clients", "monstr", Feature.BUNKER): (
        "Theirs: its messages to bunkers are encrypted as NIP-04 has it, which NIP-46 gave up for"
        " NIP-44; our bunker says so in its log and does not answer."
    ),
}
"""By table, peer and feature; one whole sentence or more."""
