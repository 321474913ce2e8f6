"""What stands in an account kit, as records in the order in which they are restored. Pure.

First comes `KitStart`, last `KitEnd`. Between them: small files of the account, its lists with
their older versions, its other events, what it received, its contacts, and its deletions behind all
that they delete. What is known of an event's copies follows the event.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

import msgspec

from nostr_client.protocol.event import MALFORMED
from nostr_client.store.contract import Copy, CopyGrade, CopyState


class KitSection(StrEnum):
    """Why an event is in the kit."""

    OWN = "own"
    VERSION = "version"
    """A superseded version of an own list."""
    MESSAGE = "message"
    """A private message as it was received, or as it waits to be sent."""
    CONTACT = "contact"
    """Profile or relay list of somebody who is followed."""


class KitFile(StrEnum):
    """Which of the account's small files it is."""

    DRAFT = "draft"
    SCHEDULED = "scheduled note"
    MESSAGES = "messages"
    """What was opened of private messages, encrypted through the account's key."""
    AUTH = "auth"
    """What the person said about telling relays who asks (NIP-42)."""
    FOUND = "found"
    """Where the person says that a watched account is found."""
    RESERVES = "reserves"
    """Relays beyond the relay list that hold copies; one file for a data folder."""
    KEPT = "kept"
    """Whom the account keeps a copy of."""
    BUNKER_KEY = "bunker key"
    """The own key of bunker mode, encrypted by the account to itself."""
    BUNKER_CLIENTS = "bunker clients"
    """The programs for which this machine signs as a bunker, and what each may."""


class _KitRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


class KitPairing(_KitRecord, frozen=True, array_like=True, gc=False):
    """How the bunker of the account knows this client (NIP-46): by the secret `key` (hex), at its
    `relays`; `bunker` is its own public key (hex)."""

    key: str
    bunker: str
    relays: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<KitPairing with {self.bunker}>"


class KitStart(_KitRecord, tag="start", frozen=True, array_like=True, gc=False):
    """The account: `name` is what it was called on its machine, `kept` how its key was kept there
    (an `accounts.keyfiles.Protection`).

    `ncryptsec` is empty for an account without a key here. `by_kit`: its password is that of the
    kit (`secret.KitSecret.key_password`), else the one that the key had. `proxy`: what it went
    through, "none", or "" where there was none. `pairing`: where a bunker has its key.
    """

    pubkey: str
    name: str
    made_at: int
    program: str
    kept: str
    ncryptsec: str = ""
    by_kit: bool = False
    proxy: str = ""
    pairing: KitPairing | None = None

    def __repr__(self) -> str:
        return f"<KitStart of {self.pubkey}>"


class KitEvent(_KitRecord, tag="event", frozen=True, array_like=True, gc=False):
    """One event, as its `Event.json`."""

    section: KitSection
    json: bytes


class KitCopy(_KitRecord, tag="copy", frozen=True, array_like=True, gc=False):
    """What the ledger knew of one copy: the fields of a `Copy`."""

    event_id: str
    url: str
    state: CopyState
    attempts: int
    next_try: int
    prefix: str
    reason: str
    updated_at: int
    wanted: bool
    grade: CopyGrade
    audit_at: int
    audits: int

    @classmethod
    def of(cls, copy: Copy) -> KitCopy:
        return cls(*msgspec.structs.astuple(copy))

    def copy(self) -> Copy:
        return Copy(*msgspec.structs.astuple(self))


class KitPart(_KitRecord, tag="part", frozen=True, array_like=True, gc=False):
    """A piece of a small file; the pieces of one follow each other, up to the `last`."""

    file: KitFile
    name: str
    data: bytes
    last: bool


class KitEnd(_KitRecord, tag="end", frozen=True, array_like=True, gc=False):
    """All was written."""


KitRecord = KitStart | KitEvent | KitCopy | KitPart | KitEnd

encode_record = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(KitRecord).decode


def decode_record(data: bytes) -> KitRecord | None:
    """The record; None for one that this version does not know."""
    try:
        record: KitRecord = _decode(data)
        return record
    except MALFORMED:
        return None


class KitCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a kit holds: own `events`, older `versions` of lists, received `messages`, events of
    `contacts`, rows of the ledger (`copies`), `drafts`, notes that are `scheduled`, and other small
    `files`."""

    events: int = 0
    versions: int = 0
    messages: int = 0
    contacts: int = 0
    copies: int = 0
    drafts: int = 0
    scheduled: int = 0
    files: int = 0


_FIELD: Final = {
    KitSection.OWN: "events",
    KitSection.VERSION: "versions",
    KitSection.MESSAGE: "messages",
    KitSection.CONTACT: "contacts",
}
_SMALL: Final = {KitFile.DRAFT: "drafts", KitFile.SCHEDULED: "scheduled"}


class KitTally:
    """Counts records as they pass; `has_end`: the last one was among them."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self.has_end = False

    def add(self, record: KitRecord) -> None:
        match record:
            case KitEvent(section=section):
                self._count[_FIELD[section]] += 1
            case KitCopy():
                self._count["copies"] += 1
            case KitPart(file=file, last=True):
                self._count[_SMALL.get(file, "files")] += 1
            case KitEnd():
                self.has_end = True

    @property
    def counts(self) -> KitCounts:
        return KitCounts(**self._count)
