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
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import NostrError
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.rehearsal.scenes import OPENING, WELCOME, Scene
from nostr_client.rehearsal.stage import Stage
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.tasks import all_of

log = logging.getLogger(__name__)

RELAYS = 5
PEOPLE = {
    "ana": "Keeps the library, and a relay in its cellar.",
    "ben": "Repairs bicycles, roofs and radios.",
    "cy": "Bakes. Writes about bread more than about anything else.",
    "dee": "Walks the coast and counts the birds.",
    "eli": "Plays the cello in the evenings.",
}
GREETING = 2.0
"""Seconds until a guest is noticed: what is as old as their client is no news there."""
PAUSE = 15.0
"""Seconds between two events of `Community.live`."""
LETTER = "Between us: the key to the cellar hangs behind the atlas. The relays like visitors."
"""What ana writes to the guest alone."""
LIVE = (
    ("eli", "follow", "Strings are tuned. Doors open at seven."),
    ("dee", "kill", "One of our relays was switched off just now. Did anybody notice? I did not."),
    ("cy", "", "The rye is out of the oven."),
    ("ana", "kill", "Another one gone. The reading room stays open."),
    ("ben", "add", "Put up a new relay in the workshop. All our notes moved in by themselves."),
    ("ana", "add", "And one more in the cellar. That makes five again."),
)
"""Who writes what after the guest has come in, and what happens just before: to a relay, or by whom
the guest is followed."""


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
            await community._open()
            yield community

    @property
    def urls(self) -> tuple[str, ...]:
        """The relays that are alive."""
        return tuple(relay.url for relay in self.relays if relay.alive)

    def person(self, name: str) -> Person:
        return self.people[name]

    async def add_relays(self, count: int) -> list[str]:
        """Start `count` relays more, each on a folder of its own; returns their URLs."""
        numbers = range(len(self.relays) + 1, len(self.relays) + count + 1)
        added = await all_of(self._start_relay(self.folder / f"relay-{n}") for n in numbers)
        self.relays += added
        return [relay.url for relay in added]

    async def _start_relay(self, folder: Path) -> RelayProcess:
        relay = await RelayProcess.start(folder)
        self._stack.push_async_callback(relay.kill)
        return relay

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
        """No relay of one's own here, and everybody's relays are on this machine; nothing beside
        them is asked, so that no picture is looked for."""
        return ClientConfig(own_relay=False, media=False, allow_private_relays=("127.0.0.1",))

    async def welcome(self, guest: Person) -> None:
        """Have the guest say hello, and be answered in every way that there is; and keep a few
        things, so that no section is empty."""
        await self._play(WELCOME)
        ana, client = self.person("ana"), guest.client
        await client.mutes.add(("t", "football"))
        await client.bookmarks.add(("a", f"{kinds.ARTICLE}:{self.person('cy').pubkey}:rye"))
        crew = [("p", self.person(name).pubkey) for name in ("ben", "cy", "eli")]
        await client.sets.create(kinds.FOLLOW_SET, "Roof crew", crew)
        for person in (guest, ana):
            await person.client.messages.set_relays(self.urls[:3])
        await ana.client.messages.send([guest.pubkey], LETTER)

    async def live(self, guest: Person) -> None:
        """Go on as a community does: a guest is welcome, somebody writes now and then, and hosts
        come and go."""
        await asyncio.sleep(GREETING)
        await self._scene(self.welcome(guest))
        for name, event, text in LIVE:
            await asyncio.sleep(PAUSE)
            await self._scene(self._go_on(name, event, text, guest))

    async def _scene(self, scene: Coroutine[Any, Any, None]) -> None:
        """The guest's evening goes on without one that does not come off."""
        try:
            await scene
        except NostrError as error:
            log.warning("a scene of the demo was left out: %s", error)

    async def _go_on(self, name: str, event: str, text: str, guest: Person) -> None:
        if event == "follow":
            await self.person(name).client.follows.follow(guest.pubkey)
        elif event == "kill":
            await self.kill_relays(1)
        elif event == "add":
            await self.add_relays(1)
            await self.agree_on_relays()
        await self.person(name).client.post(text)

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
        others = [other.pubkey for other in self.people.values() if other is not person]
        await person.client.follows.follow_all(others)
        person.client.start_reading()

    async def _open(self) -> None:
        """What was written before anybody came in."""
        await self._play(OPENING)
        ana, dee = self.person("ana").client, self.person("dee").client
        everybody = [("p", person.pubkey) for person in self.people.values()]
        await ana.sets.create(kinds.STARTER_PACK, "People of the library", everybody)
        await dee.statuses.set("on the sandbank, with a telescope")

    async def _play(self, scenes: Sequence[Scene]) -> None:
        """Have these scenes signed by whose they are, and published, all at once."""
        keys = {name: person.key for name, person in self.people.items()}
        strangers = {scene.author for scene in scenes} - keys.keys()
        keys |= {name: SecretKey.generate() for name in strangers}
        stage = Stage(keys, int(time.time()), self.urls)
        played = zip(scenes, stage.play(scenes), strict=True)
        await all_of(self._publish(scene.author, event) for scene, event in played)

    async def _publish(self, author: str, event: Event) -> None:
        """By the author's client, or for a stranger by anybody's."""
        person = self.people.get(author) or self.person("ana")
        await person.client.publish(event)
