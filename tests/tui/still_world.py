"""A world that stands still: the same people, keys and words each time, and a network in memory.

The relays have names. They are one small relay in this process, which answers to all of them; one
name leads nowhere. For pictures and snapshots (`shots`), by a clock that stands (`still_clock`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from nostr_client.config import ClientConfig
from nostr_client.errors import ConnectFailed, ConnectStep
from nostr_client.net import dial, pool
from nostr_client.net.dial import DialOptions
from nostr_client.net.health import RelayHealth
from nostr_client.net.websocket import WebSocket, open_websocket
from nostr_client.nips import nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.urls import host_of
from nostr_client.rehearsal.community import PEOPLE
from nostr_client.rehearsal.scenes import OPENING, WELCOME
from nostr_client.rehearsal.stage import Stage
from nostr_client.routing.operators import RelayFacts
from nostr_client.signing.local_signer import LocalSigner
from tests.net.scripted import ScriptedRelay, honest
from tests.tui.still_clock import NOW
from tests.tui.world import World

ME = "mara"
RELAYS = {
    "wss://relay.roof.example": ("roof", "ana@roof.example", "DE", 0.041),
    "wss://nos.coast.example": ("coast", "dee@coast.example", "NL", 0.082),
    "wss://bread.example": ("bread", "cy@bread.example", "IS", 0.064),
    "wss://far.example": ("far", "far@far.example", "NZ", 1.9),
}
"""Name, contact, country, and how long they take, in seconds."""
HOME_RELAY = next(iter(RELAYS))
GONE = "wss://gone.example"
RESERVE = {
    "wss://kept.example": ("kept", "kept@kept.example", "CA", 0.12),
    "wss://quay.example": ("quay", "quay@quay.example", "PT", 0.1),
}
LETTERS = (
    ("ana", "Shall we meet at the library on Thursday?", 5400),
    ("ana", "I have found the old plans, and there is something in them about the cellar.", 5340),
    (ME, "Thursday is fine. I bring a lamp, and nobody else needs to know.", 5100),
)
REQUEST = ("mo", "You do not know me. I have the other half of the plans.", 9000)


def key_of(name: str) -> SecretKey:
    return SecretKey(sha256(name.encode()).digest())


@dataclass
class StillWorld(World):
    """Mara's folders, and everybody else. `events` has the ids, or addresses, of what was written,
    by the names of its scenes."""

    changed: ClientConfig = field(default_factory=ClientConfig)
    events: dict[str, str] = field(default_factory=dict)

    def person(self, name: str) -> SecretKey:
        return self.people.setdefault(name, key_of(name))

    @property
    def config(self) -> ClientConfig:
        return msgspec.structs.replace(self.changed, own_relay=False, media=False)

    def listed(self, kind: int, tags: Tags, by: str = ME, ago: int = 86_400) -> Event:
        return self.event(by, kind, "", tags, ago)

    def furniture(self) -> list[Event]:
        """All there is but private messages."""
        keys = {name: self.person(name) for name in (*PEOPLE, "hawker")} | {"you": self.person(ME)}
        stage = Stage(keys, self.now, [*RELAYS])
        welcome = [one._replace(ago=600 - 40 * place) for place, one in enumerate(WELCOME)]
        played = stage.play((*OPENING, *welcome))
        self.events = {name: one.address or one.id for name, one in stage.events.items()}
        profiles = [
            self.event(name, 0, json.dumps({"name": name, "about": about}), ago=10**6)
            for name, about in (*PEOPLE.items(), (ME, "Just visiting."), ("mo", ""))
        ]
        follows = [self.follows(ME, *PEOPLE), *(self.follows(p, *PEOPLE, ME) for p in PEOPLE)]
        homes = tuple(("r", url) for url in RELAYS)
        bread = stage.events["bread"].address or ""
        p = {name: ("p", self.pubkey(name)) for name in PEOPLE}
        return [
            *played,
            *profiles,
            *follows,
            *(self.listed(kinds.RELAY_LIST, homes, name) for name in (*PEOPLE, "mo")),
            self.listed(kinds.RELAY_LIST, (*homes, ("r", GONE, "write"))),
            *(
                self.listed(kinds.DM_RELAYS, (("relay", HOME_RELAY),), name)
                for name in ("ana", ME, "mo")
            ),
            self.listed(kinds.BOOKMARKS, (("a", bread), ("e", stage.events["birds"].id))),
            self.listed(kinds.MUTES, (("t", "football"), ("word", "giveaway"))),
            self.listed(
                kinds.FOLLOW_SET, (("d", "crew"), ("title", "Roof crew"), p["ben"], p["cy"])
            ),
            self.listed(
                kinds.STARTER_PACK,
                (("d", "house"), ("title", "People of the library"), *p.values()),
                "ana",
            ),
            self.listed(kinds.PINS, (("e", stage.events["roof"].id),), "ben"),
            self.event(
                "dee", kinds.STATUS, "on the sandbank, with a telescope", (("d", "general"),)
            ),
        ]

    async def letters(self) -> list[Event]:
        """Private messages, wrapped for Mara."""
        wraps = []
        for by, text, ago in (*LETTERS, REQUEST):
            writer = LocalSigner(self.person(by))
            other = "ana" if by == ME else ME
            tags: Tags = (("p", self.pubkey(other)),)
            draft = Draft(kinds.CHAT_MESSAGE, text, tags)
            rumor = Rumor.of(draft, writer.pubkey, self.now - ago)
            sealed = await writer.nip44_encrypt(self.pubkey(ME), rumor.json)
            seal = await writer.sign(nip59.seal_draft(sealed, self.now))
            wraps.append(nip59.wrap(seal, self.pubkey(ME), self.now))
        return wraps

    def was_here(self) -> None:
        """Mara saw what there was a quarter of an hour ago, and relays were asked about themselves
        yesterday."""
        facts = [
            RelayFacts(
                url,
                self.now - 80_000,
                answered=True,
                pubkey=sha256(name.encode()).hexdigest(),
                countries=(country,),
                nips=(1, 11, 42, 50, 77),
                name=name,
                contact=contact,
                software="nostr-client",
                limits={"max_message_length": 262_144, "max_limit": 500},
            )
            for url, (name, contact, country, _) in (RELAYS | RESERVE).items()
        ]
        facts.append(RelayFacts(GONE, self.now - 80_000))
        self.where.data.mkdir(parents=True, exist_ok=True)
        (self.where.data / "relay_facts.json").write_bytes(msgspec.json.encode(facts))
        seen = msgspec.json.encode({"until": self.now - 900})
        (self.where.data / f"seen-{self.pubkey(ME)[:16]}.json").write_bytes(seen)


@contextmanager
def names_lead_to(local: str) -> Iterator[None]:
    """The relays of this world are at `local`, and nothing else is anywhere."""
    places = {host_of(url): took for url, (*_, took) in (RELAYS | RESERVE).items()}

    async def opened(url: str, _: DialOptions, **options: Any) -> tuple[WebSocket, float]:
        took = places.get(host_of(url))
        if took is None:
            raise ConnectFailed(url, "connection refused", ConnectStep.TCP)
        socket, _took = await open_websocket(local, DialOptions(private=True), **options)
        return socket, took

    before = pool.open_websocket, dial.resolve, RelayHealth.measured

    def measured(health: RelayHealth, latency: float, now: float) -> None:
        before[2](health, places.get(host_of(health.url), latency), now)

    async def resolved(url: str, host: str, *rest: Any, **options: Any) -> Sequence[Any]:
        if host == host_of(local):
            return await before[1](url, host, *rest, **options)
        raise ConnectFailed(url, "no such name", ConnectStep.DNS)

    pool.open_websocket, dial.resolve = opened, resolved
    RelayHealth.measured = measured
    try:
        yield
    finally:
        pool.open_websocket, dial.resolve, RelayHealth.measured = before


@asynccontextmanager
async def still_world(
    folder: Path, config: ClientConfig | None = None
) -> AsyncIterator[StillWorld]:
    """The world in `folder`, furnished, with Mara's account."""
    paths = Paths(folder / "config", folder / "data", folder / "state")
    world = StillWorld(paths, [*RELAYS], now=NOW, changed=config or ClientConfig())
    events = [*world.furniture(), *await world.letters()]
    world.was_here()
    await world.put(*events)
    await world.account(ME)
    async with ScriptedRelay(honest(events, most=10_000)) as relay:
        with names_lead_to(relay.url):
            yield world
