"""The log: what was removed and decided, when, why and by whom; without what was removed.

Each entry is a Nostr event of kind 1986 (a number that no NIP has taken, beside those of reports
and labels), signed by the relay's own key and never published: any Nostr library can check it. Its
content is the reason. Tags: `action`, `by` (the name of who decided), `number` (1, 2, 3 ...),
`prev` (the id of the entry before; 64 zeros before the first), and what it is about: `p` a key, `e`
an event, `word`, `k` a kind, `role`, `setting`, `removed` (how many events went). IP addresses are
in the rules alone, since the log is made to be shown.

So nobody can change an entry, take one out or put one in unseen. To cut the newest ones off takes
the whole chain: whoever keeps an older export, or its last id, sees that too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, InvalidEvent
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing import gate
from relays.moderation.records import LogRow, LogTable

KIND: Final = 1986
FIRST: Final = "0" * 64
"""What stands before the first entry."""
SLICE: Final = 500
_is_count = re.compile("[0-9]{1,18}").fullmatch


class LogEntry(msgspec.Struct, frozen=True):
    """One entry, read: `at` in seconds, `about` the tags that say what it is about."""

    number: int
    at: int
    action: str
    by: str
    reason: str
    about: tuple[Tag, ...]
    id: str


async def append(
    log: LogTable,
    key: SecretKey,
    now: float,
    action: str,
    *,
    by: str,
    reason: str = "",
    about: Iterable[Tag] = (),
) -> Event:
    """Add an entry; within the transaction of what it is about."""
    last = await log.last()
    number, before = (1, FIRST) if last is None else (last.number + 1, last.id)
    head = (("action", str(action)), ("by", by), ("number", str(number)), ("prev", before))
    entry = gate.sign(Draft(KIND, reason, (*head, *about)), key, int(now))
    await log.append(LogRow(number, entry.id, entry.json))
    return entry


def read_entry(event: Event) -> LogEntry:
    """What an entry says. Raises InvalidData."""
    fields = {tag[0]: tag[1] for tag in event.tags[:4] if len(tag) > 1}
    number = fields.get("number", "")
    if event.kind != KIND or not {"action", "by", "prev"} <= fields.keys() or not _is_count(number):
        raise InvalidData(f"{event.id}: not an entry of a log")
    return LogEntry(
        int(number),
        event.created_at,
        fields["action"],
        fields["by"],
        event.content,
        event.tags[4:],
        event.id,
    )


class LogVerifier:
    """Checks entries one after the other: form, id, signature, number and chain.

    `pubkey`: whose log it is; empty: whoever signed the first entry. `length` and `last` (an id)
    say how far it was right.
    """

    def __init__(self, pubkey: str = "") -> None:
        self.pubkey = pubkey
        self.length = 0
        self.last = FIRST

    def add(self, line: bytes) -> Event:
        """The next entry. Raises InvalidData that says which entry is wrong, and how."""
        number = self.length + 1
        try:
            event = Event.parse(line)
        except InvalidEvent as error:
            raise InvalidData(f"entry {number}: {error}") from None
        entry = read_entry(event)
        if event.pubkey != (self.pubkey or event.pubkey):
            raise InvalidData(f"entry {number} is not signed by the key of this relay")
        if not event.verify():
            raise InvalidData(f"entry {number}: the signature is wrong")
        if entry.number != number or event.value("prev") != self.last:
            raise InvalidData(f"entry {number} does not follow the one before it")
        self.pubkey, self.length, self.last = event.pubkey, number, event.id
        return event


def verified(lines: Iterable[bytes], pubkey: str = "") -> Iterator[Event]:
    """The entries in `lines`, each once it has been checked. Raises InvalidData."""
    chain = LogVerifier(pubkey)
    for line in lines:
        yield chain.add(line)
