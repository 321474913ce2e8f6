"""Whom an account keeps a copy of, and what is known of the copies that they keep of it.

One file an account, in the data folder. Several processes change it: each reads it first, under a
lock. A file that is not understood is an error, and is never written over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from nostr_client.errors import ConfigError, StoreError
from nostr_client.paths import patient_lock, private_folder, write_private

log = logging.getLogger(__name__)

MOST_PEOPLE: Final = 100
MOST_BYTES: Final = 50_000_000
MOST_EVENTS: Final = 20_000
"""What is kept of one person, unless the account's own person says otherwise."""
LARGEST: Final = 8 << 20
LOCK_LIMIT: Final = 5.0
_PREFIX: Final = "kept-"


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events (ids) that somebody was asked to prove they have, at `at`; `nonce` in hex."""

    nonce: str
    ids: tuple[str, ...]
    at: int


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the last answer to a sample showed, at `at` (seconds since 1970).

    Of `asked` events `proven` are there, `missing` are not although they should be. They say that
    they keep `events` of ours, of `size` bytes, back to `since`. `wrong`: what they sent proves
    nothing.
    """

    at: int
    asked: int
    proven: int
    missing: int
    events: int
    size: int
    since: int
    wrong: bool = False


class KeptPerson(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody of whom a copy is kept: `most_events` of theirs, and at most `most_bytes`.

    `read` says when (seconds since 1970) each relay was last read, `whole` when to the end of all
    that is there; `looked_at` is when that was last tried. What is older than `floor` has no room.
    `sample` waits for their answer, `proof` is what the last one showed. `served` is when they were
    answered lately, `handed_at` when theirs were last handed to relays for them.
    """

    pubkey: str
    since: int
    most_bytes: int = MOST_BYTES
    most_events: int = MOST_EVENTS
    looked_at: int = 0
    floor: int = 0
    read: dict[str, int] = {}
    whole: dict[str, int] = {}
    sample: Sample | None = None
    proof: Proof | None = None
    served: tuple[int, ...] = ()
    handed_at: int = 0


class KeptPeople:
    """The people whom the account `owner` (hex) keeps; `folder` (data) has the file."""

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._path = folder / f"{_PREFIX}{owner[:16]}.json"
        self._lock = folder / f"{_PREFIX}{owner[:16]}.lock"

    async def all(self) -> list[KeptPerson]:
        """Everybody, in the order in which they were added. Raises StoreError."""
        return list((await asyncio.to_thread(_read, self._path)).values())

    async def of(self, pubkey: str) -> KeptPerson | None:
        """One of them. Raises StoreError."""
        return (await asyncio.to_thread(_read, self._path)).get(pubkey)

    async def add(self, pubkey: str, now: int, most_bytes: int, most_events: int) -> KeptPerson:
        """Keep somebody, or keep more or less of them. Raises ConfigError, StoreError."""
        async with self._changing() as people:
            if pubkey not in people and len(people) >= MOST_PEOPLE:
                raise ConfigError(f"{MOST_PEOPLE} people are kept already: stop keeping one")
            before = people.get(pubkey, KeptPerson(pubkey, now))
            limits = {"most_bytes": most_bytes, "most_events": most_events}
            if (before.most_bytes, before.most_events) != (most_bytes, most_events):
                before = msgspec.structs.replace(
                    before, floor=0, whole={}
                )  # there may be more room
            people[pubkey] = msgspec.structs.replace(before, **limits)
            return people[pubkey]

    async def remove(self, pubkey: str) -> bool:
        """Keep somebody no longer; False where they were not kept. Raises StoreError."""
        async with self._changing() as people:
            return people.pop(pubkey, None) is not None

    async def note(self, pubkey: str, **changed: Any) -> KeptPerson | None:
        """Write down new values of some fields, if the person is still kept. Raises StoreError."""
        async with self._changing() as people:
            if pubkey in people:
                people[pubkey] = msgspec.structs.replace(people[pubkey], **changed)
            return people.get(pubkey)

    def _changing(self) -> _Changing:
        return _Changing(self._folder, self._path, self._lock)


class _Changing:
    """The file as it is, and at the end of the block as it was changed."""

    def __init__(self, folder: Path, path: Path, lock: Path) -> None:
        self._path = path
        self._turn = patient_lock(private_folder(folder) / lock.name, LOCK_LIMIT)
        self._people: dict[str, KeptPerson] = {}
        self._before: Mapping[str, KeptPerson] = {}

    async def __aenter__(self) -> dict[str, KeptPerson]:
        await self._turn.__aenter__()
        try:
            self._people = await asyncio.to_thread(_read, self._path)
        except BaseException as error:
            await self._turn.__aexit__(type(error), error, error.__traceback__)
            raise
        self._before = dict(self._people)
        return self._people

    async def __aexit__(self, *error: Any) -> None:
        try:
            if error[0] is None and self._people != self._before:
                data = msgspec.json.encode(list(self._people.values()))
                await asyncio.to_thread(write_private, self._path, data)
        finally:
            await self._turn.__aexit__(*error)


def kept_by_anyone(folder: Path) -> frozenset[str]:
    """Whom any account of this data folder keeps: no quota on strangers concerns them. Blocks. A
    file that cannot be read is logged, and keeps nobody."""
    found: set[str] = set()
    for path in sorted(folder.glob(f"{_PREFIX}*.json")):
        try:
            found |= _read(path).keys()
        except StoreError as error:
            log.warning("%s", error)
    return frozenset(found)


def _read(path: Path) -> dict[str, KeptPerson]:
    """Blocks. Raises StoreError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise StoreError(f"{path} is too large to be what says whom you keep")
        people = msgspec.json.decode(data, type=list[KeptPerson])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}, which says whom you keep, cannot be read: {error}") from error
    return {person.pubkey: person for person in people}
