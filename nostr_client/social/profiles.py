"""Profiles: who people say they are (kind 0), and what their domains say of them (NIP-05)."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from nostr_client.errors import InvalidCode, InvalidData, ListNotUnderstood, NostrError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.hints import OWN_WORD
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import Waiver
from nostr_client.routing.planner import Caps
from nostr_client.routing.read_plan import firm_relays, plan_read
from nostr_client.safe_text import safe_line
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.lists import OwnList
from nostr_client.social.views import Nip05State, Posted, Profile
from nostr_client.tasks import Turns

NIP05_LIMIT: Final = 8.0
"""Seconds for a domain to answer."""
NIP05_BYTES: Final = 256 * 1024
NIP05_KEPT: Final = 3600.0
"""Seconds for which a domain's answer is believed; a failure, a tenth of that."""
RAW_SHOWN: Final = 300
"""Terminal cells of a profile that is not understood, in an error."""
MAX_KEPT: Final = 10_000
FETCH_AT_ONCE: Final = 200
"""Authors in one question for profiles."""
FETCH_CAPS: Final = Caps(read_each=1, read_total=8)
"""Beside the client's own relays and the indexers, of which most profiles come."""
PROFILE_KINDS: Final = frozenset({kinds.METADATA, kinds.RELAY_LIST})
"""A profile is fetched together with the relay list: it says where the person will be found."""
LOCAL_PART: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


class Profiles:
    """Profiles as the store has them; `fetch` brings in what it lacks.

    `owner` is the account, whose follow list gives petnames. `proxy` and `private_hosts` are the
    configuration's, for NIP-05.
    """

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        *,
        owner: str = "",
        proxy: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._store = courier.store
        self._owner = owner
        self._own = OwnList(courier, guard, owner, kinds.METADATA)
        self._proxy = proxy
        self._clock = clock
        self._checked: OrderedDict[tuple[str, str], tuple[Nip05State, float]] = OrderedDict()

    # Reading

    async def get(self, pubkey: str) -> Profile:
        """The profile of `pubkey` (hex); without a kind 0 in the store, an empty one."""
        return (await self.get_many([pubkey]))[pubkey]

    async def get_many(self, pubkeys: Iterable[str]) -> dict[str, Profile]:
        """Profiles of many, in one query; every pubkey has an entry."""
        wanted = frozenset(pubkeys)
        if not wanted:
            return {}
        events = await self._store.query(
            [Filter(authors=wanted, kinds=frozenset({kinds.METADATA}))]
        )
        petnames = await self._petnames()
        profiles = {event.pubkey: event for event in events}
        found: dict[str, Profile] = {}
        turns = Turns()
        for pubkey in wanted:
            await turns.rest()
            petname = petnames.get(pubkey, "")
            found[pubkey] = self._profile(pubkey, profiles.get(pubkey), petname)
        return found

    async def fetch(
        self, pubkeys: Collection[str], *, limit: float = 10.0, in_passing: bool = False
    ) -> FetchReport:
        """Ask relays for profiles and relay lists of `pubkeys`, at most `limit` seconds for each
        two hundred of them. Offline nothing comes.

        `in_passing`: the person did not ask for them, they only turned up; strangers among them
        are looked for at relays in use.
        """
        wanted = sorted(set(pubkeys))
        asked = FetchReport()
        for start in range(0, len(wanted), FETCH_AT_ONCE):
            authors = frozenset(wanted[start : start + FETCH_AT_ONCE])
            asked.add(await self._fetch_some(authors, limit, in_passing))
        return asked

    async def update(
        self,
        *,
        allow_empty: bool = False,
        without: Collection[str] = (),
        start_over: bool = False,
        on_answer: OnAnswer | None = None,
        **fields: str | bool | None,
    ) -> Posted | None:
        """Change fields of the own profile (name, display_name, about, picture, nip05, ...).

        None or "" takes a field out; fields not named stay as they are. None when nothing
        changes. A profile that is no JSON object is not changed, unless `start_over` says that it
        may go (the store's history keeps it). `allow_empty` and `without` are explained in
        `routing.list_reading`. Raises ListNotRead, ListNotUnderstood, SignerError, InvalidEvent,
        StoreError.
        """
        refuse_codes(*(text for text in fields.values() if isinstance(text, str)))

        def change(last: Event | None) -> Draft | None:
            before = raw_fields(last.content) if last else {}
            if before is None:
                if not start_over:
                    raise ListNotUnderstood(_not_understood(last))
                before = {}
            after = dict(before)
            for name, value in fields.items():
                if value in (None, ""):
                    after.pop(name, None)
                else:
                    after[name] = msgspec.Raw(msgspec.json.encode(value))
            if last is not None and _same(before, after):
                return None
            content = msgspec.json.encode(after).decode()
            return Draft(kinds.METADATA, content, last.tags if last else ())

        return await self._own.edit(change, Waiver(allow_empty, without), on_answer=on_answer)

    # Names

    async def resolve(self, text: str) -> str:
        """The pubkey (hex) that a person means: npub, nprofile, hex, or name@domain (NIP-05).

        Relays that come with the answer are remembered as hints. Raises InvalidCode when it is
        none of these, InvalidKey, or NostrError when the domain does not answer.
        """
        text = text.strip().removeprefix("nostr:")
        if "@" in text or ("." in text and not text.startswith(("npub1", "nprofile1"))):
            return await self._lookup(text)
        person = nip19.profile_of(text)
        for url in person.relays:
            self._courier.book.hint(person.pubkey, url, OWN_WORD)
        self._courier.book.policy.use_from_code(person.relays)
        return person.pubkey

    async def check_nip05(self, pubkey: str) -> bool | None:
        """Does the domain in the profile of `pubkey` name this key?

        None when the profile has no NIP-05 name, or the domain did not answer. The outcome shows
        in `Profile.nip05_state`. An answer is kept for an hour.
        """
        name = (await self.get(pubkey)).nip05
        if not name:
            return None
        state, at = self._checked.get((pubkey, name), ("unchecked", 0.0))
        kept = NIP05_KEPT if state in ("valid", "invalid") else NIP05_KEPT / 10
        if state == "unchecked" or self._clock() - at > kept:
            try:
                answer = await self._ask_domain(name)
                state = "valid" if answer == pubkey else "invalid"
            except InvalidCode:
                state = "invalid"
            except NostrError:
                state = "unreachable"
            self._checked[pubkey, name] = (state, self._clock())
            if len(self._checked) > MAX_KEPT:
                self._checked.popitem(last=False)
        return {"valid": True, "invalid": False}.get(state)

    async def _lookup(self, name: str) -> str:
        pubkey = await self._ask_domain(name if "@" in name else f"_@{name}")
        if not pubkey:
            raise InvalidCode("the domain knows nobody of this name")
        return pubkey

    async def _ask_domain(self, name: str) -> str:
        """The pubkey that the domain gives for `name`, "" if none. Raises NostrError."""
        local, _, domain = name.strip().lower().partition("@")
        if not local or not domain or set(local) - LOCAL_PART or set(domain) & set("/?#@: \\"):
            raise InvalidCode("not a NIP-05 name: it has the form name@domain")
        response = await http.get(
            f"https://{domain}/.well-known/nostr.json?name={quote(local)}",
            DialOptions.through(self._proxy),
            timeout=NIP05_LIMIT,
            max_bytes=NIP05_BYTES,
            accept="application/json",
        )
        if response.status != 200:
            raise NostrError(f"{domain} answered with status {response.status}")
        return self._read_domain(response.body, local)

    def _read_domain(self, body: bytes, local: str) -> str:
        try:
            answer = msgspec.json.decode(body, type=dict[str, Any])
        except _BROKEN:
            raise NostrError("the domain's answer is not a JSON object") from None
        names = answer.get("names")
        found = names.get(local) if isinstance(names, dict) else None
        try:
            pubkey = PublicKey(found).hex if isinstance(found, str) else ""
        except InvalidData:
            return ""
        relays = answer.get("relays")
        listed = relays.get(pubkey) if isinstance(relays, dict) else None
        for url in listed[:10] if isinstance(listed, list) else ():
            if isinstance(url, str):
                self._courier.book.hint(pubkey, url, OWN_WORD)
        return pubkey

    # Inside

    async def _fetch_some(
        self, authors: frozenset[str], limit: float, in_passing: bool
    ) -> FetchReport:
        await self._courier.fetch_lists(authors)
        book = self._courier.book
        ours = await book.client_relays()
        people = await book.relays_of_many(authors, asked=not in_passing)
        routes = plan_read(people.values(), ours, caps=FETCH_CAPS)
        firm = routes.keys() & firm_relays(people.values(), ours)
        routes |= dict.fromkeys(ours.of_lists, authors)
        return await self._courier.fetch_routes(
            {url: [Filter(authors=part, kinds=PROFILE_KINDS)] for url, part in routes.items()},
            limit=limit,
            firm=firm,
        )

    async def _petnames(self) -> Mapping[str, str]:
        if not self._owner:
            return {}
        follows = await self._store.get_address(event_address(kinds.FOLLOWS, self._owner))
        tags = follows.tags if follows else ()
        return {t[1]: t[3] for t in tags if t[0] == "p" and len(t) > 3 and t[3]}

    def _profile(self, pubkey: str, event: Event | None, petname: str) -> Profile:
        fields = parse_profile(event.content) if event else {}
        name = fields.get("nip05", "")
        state: Nip05State = "none"
        if name:
            state, _ = self._checked.get((pubkey, name), ("unchecked", 0.0))
        return Profile(
            pubkey=pubkey,
            petname=petname[:MOST_NAME],
            nip05_state=state,
            bot=event is not None and _says_bot(event.content),
            event=event,
            **fields,
        )


MOST_NAME: Final = 1_000
MOST_ABOUT: Final = 5_000
"""Characters of a name and of the words about oneself; the rest is cut off."""
_CUT: Final = {"name": MOST_NAME, "display_name": MOST_NAME, "about": MOST_ABOUT}
_DROPPED: Final = {
    **{"picture": 2_000, "banner": 2_000, "website": 2_000},
    **{"lud16": 320, "lud06": 2_000, "nip05": 320},
}
"""Characters from which these are no addresses but a burden: half of one would be another."""
_TEXTS: Final = (*_CUT, *_DROPPED)
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_BROKEN: Final = (msgspec.MsgspecError, RecursionError, UnicodeError)


def parse_profile(content: str) -> dict[str, Any]:
    """The fields of a kind 0's content that are texts, none very long; what is no text, or too
    long for an address, is left out."""
    try:
        raw = _decode(content)
    except _BROKEN:
        return {}
    if "display_name" not in raw and "displayName" in raw:
        raw["display_name"] = raw["displayName"]
    fields: dict[str, str] = {}
    for name in _TEXTS:
        if name in raw:
            try:
                text = _decode_text(raw[name])
            except _BROKEN:
                continue
            if len(text) <= _DROPPED.get(name, len(text)):
                fields[name] = text[: _CUT.get(name)]
    return fields


def _says_bot(content: str) -> bool:
    if '"bot"' not in content:
        return False
    return bytes(_raw_object(content).get("bot", b"")).strip() == b"true"


def _raw_object(content: str) -> dict[str, msgspec.Raw]:
    try:
        return _decode(content)
    except _BROKEN:
        return {}


def raw_fields(content: str) -> dict[str, msgspec.Raw] | None:
    """Every field of a kind 0's content as it stands; None where it could not be written again
    without a loss: it is no JSON object, or names a field twice."""
    if not content.strip():
        return {}
    try:
        fields = _decode(content)
        pairs = json.loads(content, object_pairs_hook=list)
    except (*_BROKEN, ValueError):
        return None
    return fields if len(fields) == len(pairs) else None


def _not_understood(last: Event | None) -> str:
    raw = safe_line(last.content, RAW_SHOWN) if last else ""
    return (
        "the profile was not changed: its newest version is no JSON object with each field once, "
        f"so that a change would lose what it holds: {raw}"
    )


def _same(one: Mapping[str, msgspec.Raw], other: Mapping[str, msgspec.Raw]) -> bool:
    return {n: bytes(v) for n, v in one.items()} == {n: bytes(v) for n, v in other.items()}
