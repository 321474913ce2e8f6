"""Five relays and five people on this machine: real processes, real keys, no network at all.

    async with Community.start(folder) as community:
        await community.person("ana").client.post("hello")

Every person has a folder of their own and talks to the others through the relays only. The relays
are true children: they end with this process, however it ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import NostrError
from nostr_client.nips.nip10 import reply_tags
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import NOTE
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.signing.local_signer import LocalSigner

log = logging.getLogger(__name__)

RELAYS = 5
PEOPLE = {
    "ana": "Keeps the library, and a relay in its cellar.",
    "ben": "Repairs bicycles, roofs and radios.",
    "cy": "Bakes. Writes about bread more than about anything else.",
    "dee": "Walks the coast and counts the birds.",
    "eli": "Plays the cello in the evenings.",
}
OPENING = (
    ("ben", None, 3600, "The library roof is fixed. Thanks to all who came on Saturday."),
    ("cy", 0, 3300, "And the coffee was good!"),
    ("eli", 1, 3000, "Sunday again? I bring the strings."),
    ("dee", None, 2400, "Forty-one oystercatchers on the sandbank this morning."),
    ("ana", 3, 2100, "Come and draw them on the map in the reading room."),
    ("cy", None, 900, "Rye with caraway tonight. First come, first served."),
    ("ben", 5, 600, "Keep half a loaf for me, I am still on a ladder."),
)
"""Who wrote what before the curtain rises: author, which earlier note it answers, seconds ago."""
REACTIONS = (("ana", 0, "+"), ("dee", 0, "+"), ("eli", 3, "🐦"), ("cy", 3, "+"))
"""Who reacts to which note, and how."""

PAUSE = 15.0
"""Seconds between two events of `Community.live`."""
LIVE = (
    ("eli", "", "Strings are tuned. Doors open at seven."),
    ("dee", "kill", "One of our relays was switched off just now. Did anybody notice? I did not."),
    ("cy", "", "The rye is out of the oven."),
    ("ana", "kill", "Another one gone. The reading room stays open."),
    ("ben", "add", "Put up a new relay in the workshop. All our notes moved in by themselves."),
    ("ana", "add", "And one more in the cellar. That makes five again."),
)
"""Who writes what after the guest has come in, and what happens to a relay just before."""


@dataclass
class Person:
    """Somebody of the community, with a key and a client of their own."""

    name: str
    key: SecretKey
    client: NostrClient

    @property
    def pubkey(self) -> str:
        return self.key.public_key.hex


class Community:
    """Made by `Community.start`. `relays` holds every relay ever started, dead ones too."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.relays: list[RelayProcess] = []
        self.people: dict[str, Person] = {}
        self._stack = stack

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path) -> AsyncIterator[Community]:
        """Relays and people at work in `folder` (which is empty or missing) until the block ends.

        Raises NostrError when a relay does not start.
        """
        async with AsyncExitStack() as stack:
            community = cls(folder, stack)
            await community.add_relays(RELAYS)
            for name, about in PEOPLE.items():
                await community._join(name, about)
            await asyncio.gather(*(community._follow_all(p) for p in community.people.values()))
            await community._write_opening()
            yield community

    @property
    def urls(self) -> tuple[str, ...]:
        """The relays that are alive."""
        return tuple(relay.url for relay in self.relays if relay.alive)

    def person(self, name: str) -> Person:
        return self.people[name]

    async def add_relays(self, count: int) -> list[str]:
        """Start `count` relays more, each on a folder of its own; returns their URLs."""
        first = len(self.relays)
        added: list[RelayProcess] = []
        for number in range(first, first + count):
            relay = await RelayProcess.start(self.folder / f"relay-{number + 1}")
            self._stack.push_async_callback(relay.kill)
            added.append(relay)
            self.relays.append(relay)
        return [relay.url for relay in added]

    async def kill_relays(self, count: int) -> list[str]:
        """Kill the first `count` relays that live, with everything they hold; their URLs."""
        doomed = [relay for relay in self.relays if relay.alive][:count]
        for relay in doomed:
            await relay.kill()
        return [relay.url for relay in doomed]

    async def open_client(
        self, name: str, key: SecretKey | None, *, key_only_here: bool = False
    ) -> NostrClient:
        """A client for `name` on a folder of its own; without a key it only reads."""
        return await self._stack.enter_async_context(
            NostrClient.open(
                LocalSigner(key) if key else None,
                paths=self.paths_of(name),
                config=self.config(),
                relays=self.urls,
                key_only_here=key_only_here,
            )
        )

    def paths_of(self, name: str) -> Paths:
        """The folders of `name`'s client."""
        home = self.folder / name
        return Paths(home / "config", home / "data", home / "state")

    def config(self) -> ClientConfig:
        """No relay of one's own here, and everybody's relays are on this machine."""
        return ClientConfig(own_relay=False, allow_private_relays=("127.0.0.1",))

    async def live(self) -> None:
        """Go on as a community does: somebody writes now and then, and hosts come and go."""
        for name, event, text in LIVE:
            await asyncio.sleep(PAUSE)
            try:
                if event == "kill":
                    await self.kill_relays(1)
                elif event == "add":
                    await self.add_relays(1)
                    await self.agree_on_relays()
                await self.person(name).client.post(text)
            except NostrError as error:  # the guest's evening goes on without this scene
                log.warning("a scene of the demo was left out: %s", error)

    async def agree_on_relays(self) -> None:
        """Everybody's relay list names those that are alive, and no other."""
        gone = [relay.url for relay in self.relays if not relay.alive]
        entries = [(url, True, True) for url in self.urls]
        for person in self.people.values():
            await person.client.relays.set(entries, without=gone, removes=gone)

    async def join(self, name: str, about: str) -> Person:
        """A newcomer with a new key, who follows everybody."""
        person = await self._join(name, about)
        await self._follow_all(person)
        return person

    async def _join(self, name: str, about: str) -> Person:
        key = SecretKey.generate()
        client = await self.open_client(name, key, key_only_here=True)
        person = Person(name, key, client)
        await client.relays.first_run(self.urls)
        await client.profiles.update(name=name, about=about)
        self.people[name] = person
        return person

    async def _follow_all(self, person: Person) -> None:
        for other in self.people.values():
            if other is not person:
                await person.client.follows.follow(other.pubkey)
        person.client.sync()

    async def _write_opening(self) -> None:
        now = int(time.time())
        written: list[Event] = []
        for name, answers, ago, text in OPENING:
            tags = () if answers is None else reply_tags(written[answers], self.urls[0])
            draft = Draft(NOTE, text, tags, created_at=now - ago)
            written.append((await self.person(name).client.publish(draft)).event)
        for name, number, content in REACTIONS:
            note, client = written[number], self.person(name).client
            await client.fetch(Filter.of(ids=[note.id]))
            await client.react(note.id, content)
