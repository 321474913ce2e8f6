"""Keeper: what was decided about this relay, ready to be asked at every event.

Everything is read from frozen views in memory. A write of our own shows in them before it returns;
another process's within `POLL` seconds. Whoever must act on a change is called after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import VANISH
from nostr_client.protocol.urls import normalize_relay_url, place_of
from nostr_client.store.reserve import Reserve
from nostr_client.store.rules import vanish_reaches
from relays.moderation import audit_log
from relays.moderation.bans import Bans, load_bans
from relays.moderation.database import FILE, Records
from relays.moderation.relay_key import own_key
from relays.moderation.roster import Roster, load_roster
from relays.moderation.schema import Area, counters
from relays.policies.verdict import ACCEPTED, IncomingEvent, Verdict, refused

T = TypeVar("T")
_log = logging.getLogger(__name__)

POLL: Final = 0.3
"""Seconds within which what another process wrote is known here."""
_REMEMBERED: Final = 4096
"""Addresses whose verdict is remembered."""


class InfoOverrides(msgspec.Struct, frozen=True):
    """What an admin has the relay say of itself; None where the configuration holds."""

    name: str | None = None
    description: str | None = None
    icon: str | None = None


class _Views(msgspec.Struct, frozen=True):
    counters: dict[str, int]
    bans: Bans
    roster: Roster
    info: InfoOverrides


class ModerationState:
    """Opened by `async with Keeper.open(folder) as keeper`."""

    def __init__(
        self,
        records: Records,
        views: _Views,
        key: SecretKey,
        service_urls: frozenset[str],
        clock: Callable[[], float],
    ) -> None:
        self.records = records
        self.key = key
        self.clock = clock
        self.service_urls = service_urls
        self._places = frozenset(map(place_of, service_urls))
        self._views = views
        self._watchers: list[Callable[[], None]] = []
        self._addresses: dict[str, str] = {}
        self._quiet = views.bans.is_empty

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        folder: Path,
        *,
        service_urls: Collection[str] = (),
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
        reserve: Reserve | None = None,
    ) -> AsyncIterator[Self]:
        """The keeper's records in the relay's `folder`; its key and file are made if missing.

        `read_only`: they are there, and nothing is written.

        `service_urls`: the relay's own, for which no ban stands against a request to vanish.
        Raises StoreError.
        """
        urls = frozenset(normalize_relay_url(url) for url in service_urls)
        async with Records.open(folder / FILE, read_only=read_only, reserve=reserve) as records:

            def begin(db: sqlite3.Connection) -> tuple[SecretKey, _Views]:
                return own_key(db, folder, read_only=read_only), _load(db, None)

            key, views = await (records.read(begin) if read_only else records.write(begin))
            self = cls(records, views, key, urls, clock)
            polling = asyncio.create_task(self._poll())
            try:
                yield self
            finally:
                polling.cancel()
                [ended] = await asyncio.gather(polling, return_exceptions=True)
                if isinstance(ended, Exception):
                    raise ended

    # What policies ask

    @property
    def pubkey(self) -> str:
        """The relay's own public key, in hex (NIP-11's `self`)."""
        return self.key.public_key.hex

    @property
    def bans(self) -> Bans:
        return self._views.bans

    @property
    def roster(self) -> Roster:
        """Members and roles."""
        return self._views.roster

    @property
    def info(self) -> InfoOverrides:
        """What replaces name, description and icon of the configuration."""
        return self._views.info

    def check(self, offer: IncomingEvent) -> Verdict:
        """First in every chain, and for imports, sync and mirrors too."""
        if self._quiet:
            return ACCEPTED
        if offer.address and (why := self.banned_address(offer.address)):
            return refused(why)
        reason = self.bans.against(offer.event)
        if not reason or self._must_be_obeyed(offer.event):
            return ACCEPTED
        return refused(reason)

    def _must_be_obeyed(self, event: Event) -> bool:
        """Whoever asks to be forgotten is (NIP-62), banned or not; it `is_hidden` from others."""
        return event.kind == VANISH and vanish_reaches(event, self._places)

    def banned_address(self, address: str) -> str:
        """Why connections from `address` are refused, with a prefix; empty if they are not."""
        if not self.bans.networks:
            return ""
        known = self._addresses.get(address)
        if known is None:
            reason = self.bans.networks.reason_for(address)
            known = "" if reason is None else f"blocked: {reason or 'this address is banned here'}"
            if len(self._addresses) >= _REMEMBERED:
                self._addresses.clear()
            self._addresses[address] = known
        return known

    def is_hidden(self, event: Event) -> bool:
        """Is `event`, although it has just been stored, to be sent to nobody?

        It was on its way when its author was banned, or is a banned author's request to vanish.
        """
        if self._quiet:
            return False
        bans = self.bans
        return bans.covers(event) or (event.kind == VANISH and bool(bans.against(event)))

    # Writing

    def on_change(self, call: Callable[[], None]) -> None:
        """Call `call` on the loop after every change of the views, whoever made it."""
        self._watchers.append(call)

    async def write(self, act: Callable[[sqlite3.Connection], T], *, frees: bool = False) -> T:
        """`Records.write`; the views show it when this returns. Raises StoreError."""

        def run(db: sqlite3.Connection) -> tuple[T, _Views]:
            result = act(db)
            return result, _load(db, self._views)

        result, views = await self.records.write(run, frees=frees)
        self._take(views)
        return result

    def note(
        self, db: sqlite3.Connection, action: str, *, by: str, reason: str = "", **about: object
    ) -> None:
        """Log `action` within a transaction; `about` names tags and their values."""
        tags = tuple((name, str(value)) for name, value in about.items())
        audit_log.append(db, self.key, self.clock(), action, by=by, reason=reason, about=tags)

    async def first_time(self, id: str, until: float) -> bool:
        """Is `id` new here? Remembered until the second `until`, also over a restart."""
        now = int(self.clock())

        def run(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM once WHERE until < ?", (now,))
            found = db.execute("INSERT OR IGNORE INTO once VALUES (?, ?)", (id, int(until)))
            return found.rowcount == 1

        return await self.records.write(run)

    async def refresh(self) -> None:
        """See now what other processes wrote. Raises StoreError."""
        if await self.records.foreign():
            self._take(await self.records.read(lambda db: _load(db, self._views)))

    async def _poll(self) -> None:
        failed = ""
        while True:
            await asyncio.sleep(POLL)
            try:
                await self.refresh()
                failed = ""
            except StoreError as error:  # bans stay as they are until the file can be read again
                if str(error) != failed:
                    _log.warning("what other processes decided is not known: %s", error)
                failed = str(error)

    def _take(self, views: _Views) -> None:
        held = self._views.counters
        if not any(number > held[area] for area, number in views.counters.items()):
            return
        self._views = views
        self._addresses.clear()
        self._quiet = views.bans.is_empty
        for call in self._watchers:
            call()


def _load(db: sqlite3.Connection, held: _Views | None) -> _Views:
    """The views as the file has them; what did not change is taken from `held`."""
    now = counters(db)

    def same(area: Area) -> bool:
        return held is not None and held.counters[area] == now[area]

    return _Views(
        now,
        held.bans if held is not None and same(Area.RULES) else load_bans(db),
        held.roster if held is not None and same(Area.MEMBERS) else load_roster(db),
        held.info if held is not None and same(Area.SETTINGS) else _load_info(db),
    )


def _load_info(db: sqlite3.Connection) -> InfoOverrides:
    found = dict(db.execute("SELECT name, value FROM setting").fetchall())
    return InfoOverrides(
        **{name: found[name] for name in InfoOverrides.__struct_fields__ if name in found}
    )
