"""Events in a file, one a line as JSON: what is written for somebody else, or comes back from them.

What is read is not trusted: form, id and signature of each are checked, and only what the account
itself wrote is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec

from nostr_client.errors import InvalidEvent
from nostr_client.paths import open_new_private, translated
from nostr_client.protocol.event import Event
from nostr_client.store.contract import EventStore, SaveStatus

LONGEST: Final = 1 << 20
"""Bytes of a line."""
BATCH: Final = 500
_NEW: Final = (SaveStatus.STORED, SaveStatus.REPLACED)


class Verifies(Protocol):
    """Checks signatures (`signing.verifier.Verifier`)."""

    async def verify_all(self, events: list[Event]) -> list[bool]: ...


class TakenIn(msgspec.Struct):
    """What came of a file: `new` events of the account, those `held` already (or superseded,
    deleted, expired), lines that are `invalid`, and events by `others`."""

    new: int = 0
    held: int = 0
    invalid: int = 0
    others: int = 0


async def write_events(path: Path, events: AsyncIterator[Event]) -> int:
    """Write a new file, for its owner only; how many events. Raises StoreError, also where there is
    a file already."""
    count = 0
    with translated(f"{path} cannot be written"), open_new_private(path) as file:
        try:
            async for event in events:
                file.write(event.json + b"\n")
                count += 1
        except BaseException:
            _remove(path)
            raise
    return count


async def take_own(path: Path, owner: str, store: EventStore, verifier: Verifies) -> TakenIn:
    """Store what `owner` (hex) wrote of the events in a file, by the store's rules; nothing is
    sent. Raises StoreError."""
    taken = TakenIn()
    with translated(f"{path} cannot be read"), path.open("rb") as file:
        while lines := await asyncio.to_thread(_lines, file):
            events = [event for line in lines if (event := _parsed(line)) is not None]
            own = [event for event in events if event.pubkey == owner]
            verdicts = await verifier.verify_all(own)
            good = [event for event, verdict in zip(own, verdicts, strict=True) if verdict]
            results = await store.save(good) if good else []
            new = sum(result.status in _NEW for result in results)
            taken.new += new
            taken.held += len(good) - new
            taken.others += len(events) - len(own)
            taken.invalid += len(lines) - len(events) + len(own) - len(good)
    return taken


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _lines(file: BinaryIO) -> list[bytes]:
    """The next ones that are not empty; one that is too long comes in parts, which are invalid."""
    read = iter(lambda: file.readline(LONGEST), b"")
    return list(islice((line for line in read if line.strip()), BATCH))


def _parsed(line: bytes) -> Event | None:
    try:
        return Event.parse(line.strip())
    except InvalidEvent:
        return None
