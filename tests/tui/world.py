"""A small world for the app: folders, people, notes in the store; no network unless asked for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.pilot import Pilot

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.net.relay_check import CheckStep, check_relay
from nostr_client.nips import nip19
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.opening import open_store
from nostr_client.tui.app import NostrApp
from nostr_client.tui.client_holder import ClientHolder, client_opener
from nostr_client.tui.environment import Environment
from nostr_client.tui.own_commands import OwnCommand
from nostr_client.tui.screens.first_relays import ProbeResult, RelayOffer
from tests.waiting import until

NEAR = "ws://127.0.0.1:7"
"""Where a domain says that somebody is found; nothing listens there."""
NARROW = (80, 24)
WIDE = (120, 40)
BOTH = pytest.mark.parametrize("size", [NARROW, pytest.param(WIDE, marks=pytest.mark.slow)])
"""For what is the same in both; where they differ, each has tests of its own."""
PASSWORD = "correct horse"
PATIENCE = 30.0
"""Seconds that a test waits for what must come."""


@dataclass
class World:
    """One person's folders, and who else there is."""

    where: Paths
    relays: Sequence[str] = ()
    offers: Sequence[RelayOffer] = ()
    probed: Callable[[str], ProbeResult] = lambda url: ProbeResult(True, "answers, 5 ms")
    people: dict[str, SecretKey] = field(default_factory=dict)
    resolved: dict[str, str] = field(default_factory=dict)
    now: int = field(default_factory=lambda: int(time.time()))
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    commands: Sequence[OwnCommand] = ()
    clocks: Sequence[Callable[[], float]] = (time.monotonic,)
    """By which the app tells how long nobody has been there."""

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.where, keyring=KeyringStore(find=list), work=4)

    def person(self, name: str) -> SecretKey:
        return self.people.setdefault(name, SecretKey.generate())

    def pubkey(self, name: str) -> str:
        return self.person(name).public_key.hex

    def npub(self, name: str) -> str:
        return nip19.encode_npub(self.pubkey(name))

    def event(
        self, name: str, kind: int, content: str = "", tags: Tags = (), ago: int = 0
    ) -> Event:
        return Draft(kind, content, tags, self.now - ago).sign(self.person(name), self.now)

    def note(self, name: str, text: str, ago: int = 60, tags: Tags = ()) -> Event:
        return self.event(name, 1, text, tags, ago)

    def named(self, name: str, shown: str | None = None) -> Event:
        content = '{"name":' + _json(shown or name) + "}"
        return self.event(name, 0, content, ago=10**6)

    def follows(self, name: str, *others: str) -> Event:
        return self.event(name, 3, "", tuple(("p", self.pubkey(o)) for o in others), 10**6)

    async def put(self, *events: Event) -> None:
        """Lay events into the store before anything is opened."""
        self.where.data.mkdir(parents=True, exist_ok=True)
        async with open_store(self.where.data / "events.db") as store:
            await store.save(events)

    async def account(self, name: str = "ana") -> Account:
        """A full account, kept by `PASSWORD`."""
        return await self.accounts.import_key(
            self.person(name), name, password=PASSWORD, switch=True
        )

    async def watched(self, name: str = "ana") -> Account:
        return await self.accounts.add_watch_only(self.pubkey(name), name, switch=True)

    def environment(self) -> Environment:
        async def probe(url: str) -> ProbeResult:
            return self.probed(url)

        async def resolve(name: str) -> tuple[str, tuple[str, ...]]:
            return self.resolved[name], (NEAR,)

        def check(url: str) -> AsyncIterator[CheckStep]:
            return check_relay(url, others=())

        @asynccontextmanager
        async def demo() -> AsyncIterator[NostrClient]:
            async with client_opener(self.where, self.config, self.relays)(_guest(self)) as client:
                yield client

        return Environment(
            paths=self.where,
            config=self.config,
            accounts=self.accounts,
            offers=self.offers,
            dated="1 January 2026",
            probe=probe,
            resolve=resolve,
            check=check,
            demo=demo,
            keys=self.keys,
            commands=self.commands,
            clocks=self.clocks,
        )

    @property
    def config(self) -> ClientConfig:
        return ClientConfig(own_relay=False, allow_private_relays=("127.0.0.1",))

    @asynccontextmanager
    async def app(
        self, size: tuple[int, int] = NARROW, *, demo: bool = False
    ) -> AsyncIterator[tuple[NostrApp, Pilot[int]]]:
        """The app at its first screen."""
        environment = self.environment()
        async with ClientHolder(
            client_opener(environment.paths, environment.config, self.relays)
        ) as holder:
            app = NostrApp(environment, holder, demo=demo)
            async with app.run_test(size=size, notifications=True) as pilot:
                await pilot.pause()
                yield app, pilot

    @asynccontextmanager
    async def at_home(
        self, size: tuple[int, int] = NARROW, *, unlock: bool = True
    ) -> AsyncIterator[tuple[NostrApp, Pilot[int]]]:
        """The app with its account open, the home timeline read."""
        async with self.app(size) as (app, pilot):
            account = self.accounts.current()
            if account is not None and account.can_sign:
                await until(lambda: bool(app.screen.query("#password")))
                if unlock:
                    await type_in(pilot, PASSWORD)
                await pilot.press("enter" if unlock else "escape")
            await until(lambda: app.main is not None and app.main.front.is_mounted)
            await pilot.pause()
            yield app, pilot


async def furnish(world: World) -> None:
    """Ana follows ben and cy; they speak with each other."""
    roof = world.note("ben", "The library roof is fixed.", ago=7200)
    coffee = world.note(
        "cy",
        "And the coffee was good!",
        3600,
        (("e", roof.id, "", "root"), ("p", world.pubkey("ben"))),
    )
    await world.put(
        world.follows("ana", "ben", "cy"),
        *(world.named(name) for name in ("ana", "ben", "cy", "dee")),
        roof,
        coffee,
        world.note("dee", "A stranger's note for ana.", 1800, (("p", world.pubkey("ana")),)),
        world.note("ana", "My own words.", 1200),
        world.note("cy", "Hidden words.", 600, (("content-warning", "medical"),)),
        world.event("ben", 7, "+", (("e", coffee.id), ("p", world.pubkey("cy"))), 300),
        world.event(
            "cy",
            6,
            world.note("dee", "Passed on.", 500).json.decode(),
            (("e", world.note("dee", "Passed on.", 500).id), ("p", world.pubkey("dee"))),
            200,
        ),
    )


def _guest(world: World) -> object:
    from nostr_client.signing.local_signer import LocalSigner
    from nostr_client.tui.client_holder import Identity

    key = world.person("guest")
    return Identity(key.public_key.hex, LocalSigner(key), key_only_here=True)


def world_in(folder: Path) -> World:
    return World(Paths(folder / "config", folder / "data", folder / "state"))


async def sees(app: NostrApp, words: str, limit: float = PATIENCE) -> None:
    """Wait until words stand on the screen; fails with the screen as it is."""
    try:
        await until(lambda: words in shown(app), limit, pause=0.03)  # which costs milliseconds
    except TimeoutError:
        raise AssertionError(f"{words!r} does not come; the screen:\n{shown(app)}") from None


async def told(app: NostrApp, words: str) -> None:
    """Wait until these words are said, wherever their lines break."""
    await until(lambda: any(words in said.text for said in app.news.log.kept))


async def type_in(pilot: Pilot[int], text: str) -> None:
    """Type as a person does, into what has the keys."""
    from textual import events

    for character in text:
        key = {"\n": "enter", " ": "space"}.get(character, character)
        driver = pilot.app._driver
        assert driver is not None
        driver.send_message(events.Key(key, None if character == "\n" else character))
        await pilot._wait_for_screen()
    await pilot.pause()


def burst(app: NostrApp, text: str) -> None:
    """Keys that come all at once, as from a macro or over a slow line.

    Control characters are keys: `\\x13` is ctrl+s, `\\x1b` escape.
    """
    from textual import events

    driver = app._driver
    assert driver is not None
    for character in text:
        key = {" ": "space", "\n": "enter", "\t": "tab", "\x1b": "escape", ":": "colon"}.get(
            character, character
        )
        if key == character < " ":
            key = f"ctrl+{chr(ord(character) + 96)}"
        driver.send_message(events.Key(key, character if character.isprintable() else None))


def paste(app: NostrApp, text: str) -> None:
    """What a terminal with bracketed paste sends."""
    from textual import events

    driver = app._driver
    assert driver is not None
    driver.send_message(events.Paste(text))


def shown(app: NostrApp) -> str:
    """The whole screen as text."""
    lines = (
        "".join(segment.text for segment in strip).rstrip()
        for strip in app.screen._compositor.render_strips()
    )
    return "\n".join(lines)


def _json(text: str) -> str:
    import json

    return json.dumps(text)
