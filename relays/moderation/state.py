"""ModerationState: what was decided about this relay, ready to be asked at every event.

Everything is read from frozen views in memory. A write of our own shows in them before it returns;
another process's within `POLL` seconds. Whoever must act on a change is called after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Final, Self, TypeVar

import msgspec

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import VANISH
from nostr_client.protocol.urls import normalize_relay_url, place_of
from nostr_client.store.rules import vanish_reaches
from relays.moderation import audit_log
from relays.moderation.bans import Bans
from relays.moderation.records import Area, Records, RecordTables
from relays.moderation.relay_key import own_key
from relays.moderation.roster import Roster, load_roster
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
    counters: Mapping[Area, int]
    bans: Bans
    roster: Roster
    settings: Mapping[str, str]
    info: InfoOverrides


_NOTHING: Final = _Views({}, Bans.of([]), Roster({}, {}), {}, InfoOverrides())


class _Changes(msgspec.Struct, frozen=True):
    """What was read anew; None: it is as it was."""

    counters: Mapping[Area, int]
    rules: Collection[tuple[str, str, str]] | None
    roster: Roster | None
    settings: Mapping[str, str] | None


class ModerationState:
    """Opened by `async with ModerationState.open(records) as state`."""

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
        self._tell_others: list[Callable[[], None]] = []
        self._poke = asyncio.Event()
        self._addresses: dict[str, str] = {}
        self._quiet = views.bans.is_empty

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        records: Records,
        *,
        service_urls: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> AsyncIterator[Self]:
        """What is in the keeper's `records`; the relay's key is made if it is missing, unless they
        were opened to be read alone.

        `service_urls`: the relay's own, for which no ban stands against a request to vanish.
        Raises StoreError.
        """
        urls = frozenset(normalize_relay_url(url) for url in service_urls)

        async def begin(tables: RecordTables) -> tuple[SecretKey, _Changes]:
            key = await own_key(tables, read_only=records.read_only)
            return key, await _read(tables, _NOTHING)

        key, changes = await (records.read(begin) if records.read_only else records.write(begin))
        self = cls(records, await _with(changes, _NOTHING), key, urls, clock)
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

    @property
    def settings(self) -> Mapping[str, str]:
        """All of the keeper's records that are texts by a name."""
        return self._views.settings

    # Writing

    def on_change(self, call: Callable[[], None]) -> None:
        """Call `call` on the loop after every change of the views, whoever made it."""
        self._watchers.append(call)

    def on_write(self, tell: Callable[[], None]) -> None:
        """Call `tell` on the loop after every write of this process that changed a view: others,
        who find it within `POLL` seconds, may be told."""
        self._tell_others.append(tell)

    def look(self) -> None:
        """Another process wrote something: look now, and not at the next look."""
        self._poke.set()

    async def write(self, act: Callable[[RecordTables], Awaitable[T]], *, frees: bool = False) -> T:
        """`Records.write`; the views show it when this returns. Raises StoreError."""
        held = self._views

        async def run(tables: RecordTables) -> tuple[T, _Changes]:
            result = await act(tables)
            return result, await _read(tables, held)

        result, changes = await self.records.write(run, frees=frees)
        if changes.counters != held.counters:
            for tell in self._tell_others:
                tell()
        self._take(await _with(changes, held))
        return result

    async def log(
        self, tables: RecordTables, action: str, *, by: str, reason: str = "", **about: object
    ) -> None:
        """Log `action` within a transaction; `about` names tags and their values."""
        tags = tuple((name, str(value)) for name, value in about.items())
        await audit_log.append(
            tables.log, self.key, self.clock(), action, by=by, reason=reason, about=tags
        )

    async def is_first_use(self, id: str, until: float) -> bool:
        """Is a request of this `id` new? Remembered until the second `until`, over restarts too."""
        now = int(self.clock())

        async def act(tables: RecordTables) -> bool:
            await tables.used_requests.clean(now)
            return await tables.used_requests.add(id, int(until))

        return await self.records.write(act)

    async def refresh(self) -> None:
        """See now what other processes wrote. Raises StoreError."""
        held = self._views
        if await self.records.counters() != held.counters:
            changes = await self.records.read(lambda tables: _read(tables, held))
            self._take(await _with(changes, held))

    async def _poll(self) -> None:
        failed = ""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._poke.wait()
            self._poke.clear()
            try:
                await self.refresh()
                failed = ""
            except StoreError as error:  # bans stay as they are until the file can be read again
                if str(error) != failed:
                    _log.warning("what other processes decided is not known: %s", error)
                failed = str(error)

    def _take(self, views: _Views) -> None:
        held = self._views.counters
        if not any(number > held.get(area, 0) for area, number in views.counters.items()):
            return
        self._views = views
        self._addresses.clear()
        self._quiet = views.bans.is_empty
        for call in self._watchers:
            call()


async def _read(tables: RecordTables, held: _Views) -> _Changes:
    """What is not as in `held`."""
    now = await tables.counters()
    changed = {area for area, number in now.items() if held.counters.get(area) != number}
    return _Changes(
        now,
        await tables.rules.reasons() if Area.RULES in changed else None,
        await load_roster(tables) if Area.MEMBERS in changed else None,
        await tables.settings.all() if Area.SETTINGS in changed else None,
    )


async def _with(changes: _Changes, held: _Views) -> _Views:
    bans, roster, settings, info = held.bans, held.roster, held.settings, held.info
    if changes.rules is not None:  # they may be many, with an expression of all their words
        bans = await asyncio.to_thread(Bans.of, changes.rules)
    if changes.roster is not None:
        roster = changes.roster
    if changes.settings is not None:
        settings = changes.settings
        names = settings.keys() & set(InfoOverrides.__struct_fields__)
        info = InfoOverrides(**{name: settings[name] for name in names})
    return _Views(changes.counters, bans, roster, settings, info)
