"""What a keeper and his admins do: the same for the command line and for calls from afar.

Every action is logged with the name of who did it (`by`), and is true when it returns: bans are
durable and in force here, what they cover is out of the store, and the log says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final

from nostr_client.errors import InvalidData, InvalidKey
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey, is_hex64
from nostr_client.protocol.kinds import MAX_KIND
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.store.contract import EventStore
from relays.config.relay_config import RelayConfig
from relays.moderation.admins import admins_of
from relays.moderation.audit_log import SLICE
from relays.moderation.ban_exemptions import check_key, check_network
from relays.moderation.members import Members
from relays.moderation.records import LogRow, RecordTables, Rule, RuleType
from relays.moderation.removal import EventRemover
from relays.moderation.reports import Reports
from relays.moderation.saved_config import save_config
from relays.moderation.state import InfoOverrides, ModerationState
from relays.networks import network_from
from relays.policies.banned_words import checked_word, found_in, narrow_word, pattern_of

LONGEST_REASON: Final = 500
LONGEST_TEXT: Final = 4000
MOST_WORDS: Final = 5_000


class ModerationActions:
    """What may be done to the relay whose decisions `state` has. All of it raises StoreError.

    `stores`: those of all its sub-relays, that of `/` first. `trusted`: does its web of trust
    reach this key?
    """

    def __init__(
        self,
        state: ModerationState,
        stores: Sequence[EventStore],
        config: RelayConfig,
        trusted: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.state = state
        self._stores = tuple(stores)
        self._config = config
        self.admins = admins_of(config)
        """Names of those who may act from afar, by public key."""
        self.members = Members(state, stores[0], config.members, lambda: self.admins)
        self.remover = EventRemover(state, stores)
        self.reports = Reports(state, stores, lambda: self.admins, trusted)
        self.operator_addresses: Callable[[], Collection[str]] = tuple
        """The addresses from which those who run the relay are connected now."""

    def people(self) -> tuple[Collection[str], Collection[str]]:
        """Public keys of those who run the relay, its own among them; and of its members."""
        return {*self.admins, self.state.pubkey}, self.state.roster.members

    def reconfigure(self, config: RelayConfig) -> None:
        """Go by a new configuration from now on. Raises ConfigError, and then nothing changed."""
        self.admins = admins_of(config)
        self._config = config
        self.members.reconfigure(config.members)

    async def settle(self) -> None:
        """After a start, and after `reconfigure`: publish what is to be, and leave for commands
        beside this process what they need to know of its configuration. Raises StoreError."""
        await save_config(self.state, self._config)
        await self.members.settle()

    # Keys

    async def ban_pubkey(self, pubkey: str, *, by: str, reason: str = "") -> int:
        """Remove everything by this key and keep it out; how many events went.

        Raises InvalidData, for the keys of those who run the relay too.
        """
        pubkey, reason = self.bannable_key(pubkey), _line(reason)
        async with self.remover.lock:
            await self._put(RuleType.BAN_PUBKEY, pubkey, by, reason, p=pubkey)
            removed = await self.remover.remove_author(pubkey, by=by, reason=reason)
            await self.members.remove(pubkey, by=by, reason=reason)  # there is room for it by now
            return removed

    def bannable_key(self, pubkey: str) -> str:
        """`pubkey`, if it may be banned. Raises InvalidData."""
        pubkey = _pubkey(pubkey)
        check_key(pubkey, self.state.pubkey, self.admins)
        return pubkey

    async def count_by_pubkey(self, pubkey: str) -> int:
        """How many events a ban of this key would remove."""
        return await self.remover.count_author(_pubkey(pubkey))

    async def unban_pubkey(self, pubkey: str, *, by: str, reason: str = "") -> bool:
        """Take from it again; what was removed does not come back by itself. False: no ban."""
        pubkey = _pubkey(pubkey)
        return await self._lift(RuleType.BAN_PUBKEY, pubkey, by, reason, p=pubkey)

    async def allow_pubkey(self, pubkey: str, *, by: str, reason: str = "") -> bool:
        """Make it a member, banned or not; False if it was one."""
        pubkey = _pubkey(pubkey)
        await self.unban_pubkey(pubkey, by=by, reason=reason)
        return await self.members.add(pubkey, by=by, reason=_line(reason))

    async def unallow_pubkey(self, pubkey: str, *, by: str, reason: str = "") -> bool:
        """A member no more; False if it was none."""
        return await self.members.remove(_pubkey(pubkey), by=by, reason=_line(reason))

    # Events

    async def ban_event(self, id: str, *, by: str, reason: str = "") -> int:
        """Remove this event, with reposts that carry it, and keep it out; how many events went."""
        id, reason = _id(id), _line(reason)
        async with self.remover.lock:
            await self._put(
                RuleType.BAN_EVENT, id, by, reason, instead_of=RuleType.ALLOW_EVENT, e=id
            )
            return await self.remover.remove_event(id, by=by, reason=reason)

    async def allow_event(self, id: str, *, by: str, reason: str = "") -> None:
        """Nothing is wrong with it, whatever is reported and whatever words it has."""
        id, reason = _id(id), _line(reason)
        await self._put(RuleType.ALLOW_EVENT, id, by, reason, instead_of=RuleType.BAN_EVENT, e=id)

    async def count_event(self, id: str) -> int:
        """How many events a ban of this one would remove: itself and reposts that carry it."""
        return await self.remover.count_event(_id(id))

    async def find_event(self, id: str) -> Event | None:
        """The event of this id, in whichever sub-relay it is."""
        for store in self._stores:
            if (event := await store.get(id)) is not None:
                return event
        return None

    async def unban_event(self, id: str, *, by: str, reason: str = "") -> bool:
        """Take it again; False if there was no ban."""
        return await self._lift(RuleType.BAN_EVENT, _id(id), by, reason, e=_id(id))

    # Addresses, words, kinds

    def bannable_address(self, text: str, near: Collection[str] = ()) -> str:
        """The one spelling of an address or network that may be banned. Raises InvalidData.

        `near`: addresses of whoever asks.
        """
        value, web = _spelled(text), self._config.web
        spared = dict.fromkeys(web.trusted_proxies, "a trusted proxy's")
        spared |= {self._config.host: "the relay's own"}
        spared |= dict.fromkeys(
            (*near, *self.operator_addresses()), "that of somebody who runs this relay"
        )
        check_network(value, spared)
        return value

    async def ban_address(
        self, text: str, *, by: str, reason: str = "", near: Collection[str] = ()
    ) -> str:
        """Take no connections from an address or network; its one spelling.

        Raises InvalidData, as `bannable_address` does.
        """
        value = self.bannable_address(text, near)
        await self._put(RuleType.BAN_IP, value, by, _line(reason))
        return value

    async def unban_address(self, text: str, *, by: str, reason: str = "") -> bool:
        """Take them again; False if there was no ban."""
        return await self._lift(RuleType.BAN_IP, _spelled(text), by, reason)

    async def ban_word(self, text: str, *, by: str, reason: str = "") -> str:
        """Take no events with this word or phrase from now on; the word as it is compared."""
        word = narrow_word(text)
        if len(await self.rules(RuleType.BAN_WORD)) >= MOST_WORDS:
            raise InvalidData(f"there may be {MOST_WORDS} banned words")
        await self._put(RuleType.BAN_WORD, word, by, _line(reason), word=word)
        return word

    async def unban_word(self, text: str, *, by: str, reason: str = "") -> bool:
        """Take them again; False if there was no ban."""
        word = checked_word(text)
        return await self._lift(RuleType.BAN_WORD, word, by, reason, word=word)

    async def remove_word(self, text: str, *, by: str, reason: str = "") -> int:
        """Remove what has this word: everything is read for it, which takes long. How many went.

        What those who run the relay wrote stays.
        """
        removed, reason = 0, _line(reason)
        async for id in self._with_word(text):
            async with self.remover.lock:
                removed += await self.remover.remove_event(id, by=by, reason=reason)
        return removed

    async def count_with_word(self, text: str) -> int:
        """How many events `remove_word` would remove, but for reposts of them."""
        return len([id async for id in self._with_word(text)])

    async def _with_word(self, text: str) -> AsyncIterator[str]:
        pattern = pattern_of([narrow_word(text)])
        allowed = self.state.bans.allowed_events
        for store in self._stores:
            async for events in store.stream([Filter()]):
                for event in events:
                    spared = event.id in allowed or self.runs_it(event.pubkey)
                    if not spared and pattern is not None and found_in(event, pattern):
                        yield event.id

    def runs_it(self, pubkey: str) -> bool:
        """Is it the relay's own key, the keeper's or an admin's?"""
        return pubkey in self.admins or pubkey == self.state.pubkey

    async def allow_kind(self, kind: int, *, by: str) -> None:
        """Take this kind. Once one kind is allowed, only allowed ones are taken."""
        _check_kind(kind)
        both = RuleType.ALLOW_KIND, RuleType.DISALLOW_KIND
        await self._put(both[0], str(kind), by, "", instead_of=both[1], k=kind)

    async def disallow_kind(self, kind: int, *, by: str) -> None:
        """Take this kind no more; what is stored stays."""
        _check_kind(kind)
        both = RuleType.DISALLOW_KIND, RuleType.ALLOW_KIND
        await self._put(both[0], str(kind), by, "", instead_of=both[1], k=kind)

    # What the relay says of itself

    async def change_info(self, name: str, text: str, *, by: str) -> None:
        """Change the relay's `name`, `description` or `icon`; an empty one: as configured."""
        if name not in InfoOverrides.__struct_fields__:
            raise InvalidData(f"{name} is not something that a relay says of itself")
        text = safe_text(text).strip() if name == "description" else safe_line(text)
        if len(text) > LONGEST_TEXT:
            raise InvalidData(f"a {name} has at most {LONGEST_TEXT} characters")
        if name == "icon" and text and not text.startswith(("https://", "http://")):
            raise InvalidData("an icon is a URL that begins with https://")

        async def act(tables: RecordTables) -> None:
            if text:
                await tables.settings.put(name, text)
            else:
                await tables.settings.remove(name)
            await self.state.log(tables, f"change-{name}", by=by, setting=text)

        await self.state.write(act)

    # Rules and log

    async def log(self) -> AsyncIterator[bytes]:
        """The entries of the log, the oldest first."""
        number = 0
        while rows := await self._log_after(number):
            for row in rows:
                yield row.entry
            number = rows[-1].number

    async def _log_after(self, number: int) -> list[LogRow]:
        return await self.state.records.read(lambda tables: tables.log.after(number, SLICE))

    async def rules(self, *types: RuleType) -> list[Rule]:
        """The rules of these types (none: of all), newest first."""
        wanted = types or tuple(RuleType)
        return await self.state.records.read(lambda tables: tables.rules.listed(wanted))

    async def _put(
        self,
        type: RuleType,
        value: str,
        by: str,
        reason: str,
        *,
        instead_of: RuleType | None = None,
        **about: object,
    ) -> None:
        rule = Rule(type, value, reason, by, int(self.state.clock()))

        async def act(tables: RecordTables) -> None:
            if instead_of is not None:
                await tables.rules.remove(instead_of, value)
            await tables.rules.put(rule)
            await self.state.log(tables, type, by=by, reason=reason, **about)

        await self.state.write(act, frees=type.startswith("ban-"))

    async def _lift(
        self, type: RuleType, value: str, by: str, reason: str, **about: object
    ) -> bool:
        async def act(tables: RecordTables) -> bool:
            if not await tables.rules.remove(type, value):
                return False
            await self.state.log(tables, f"un{type}", by=by, reason=_line(reason), **about)
            return True

        return await self.state.write(act)


def _line(text: str) -> str:
    """A reason: one line that any screen may show, and any event carry."""
    return safe_line(text)[:LONGEST_REASON]


def _pubkey(text: str) -> str:
    try:
        return PublicKey(text).hex
    except InvalidKey as error:
        raise InvalidData(str(error)) from None


def _id(text: str) -> str:
    if not is_hex64(text):
        raise InvalidData("an event's id is 64 lowercase hex digits")
    return text


def _spelled(text: str) -> str:
    found = network_from(text)
    whole = found.prefixlen == found.max_prefixlen
    return str(found.network_address) if whole else str(found)


def _check_kind(kind: int) -> None:
    if type(kind) is not int or not 0 <= kind <= MAX_KIND:
        raise InvalidData(f"a kind is a number from 0 to {MAX_KIND}")
