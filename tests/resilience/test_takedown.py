"""Relays die, a new list is made, and every note is on all of its relays again."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
import websockets

from nostr_client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import NotConfirmed
from nostr_client.paths import Paths
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.store.contract import CopyState
from tests.conftest import StartRelay
from tests.waiting import until

LIMIT = 30.0


async def test_notes_move_to_the_new_relays(tmp_path: Path, start_relay: StartRelay) -> None:
    old = [await start_relay() for _ in range(3)]
    signer = LocalSigner(SecretKey.generate())
    async with NostrClient.open(
        signer,
        paths=Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state"),
        config=ClientConfig(own_relay=False, allow_private_relays=("127.0.0.1",)),
        relays=[relay.url for relay in old],
        key_only_here=True,
    ) as client:
        await client.relays.first_run([relay.url for relay in old])
        ids = [(await client.post(f"note {n}")).id for n in range(3)]
        await wanted_are_there(client, ids, {relay.url for relay in old})
        for relay in old[:2]:
            await relay.kill()
        new = [await start_relay() for _ in range(2)]
        alive = [old[2].url, *(relay.url for relay in new)]
        entries = [(url, True, True) for url in alive]
        with pytest.raises(NotConfirmed, match="2 of its 3 relays to write to"):
            await client.relays.set(entries)
        await client.relays.set(entries, removes=[relay.url for relay in old[:2]])
        await wanted_are_there(client, ids, set(alive))
        assert await client.replication.pending() == 0
    for url in alive:
        assert await held_at(url, ids) == set(ids)


async def wanted_are_there(client: NostrClient, ids: list[str], urls: set[str]) -> None:
    """Wait until each of these notes is wanted at exactly these relays, and is there."""

    async def is_there(note: str) -> bool:
        copies = [c for c in await client.copies.copies(note) if c.wanted]
        there = {c.url for c in copies if c.state is CopyState.CONFIRMED}
        return there == urls == {c.url for c in copies}

    for note in ids:
        await until(partial(is_there, note))


async def held_at(url: str, ids: list[str]) -> set[str]:
    """What a plain client reads there."""
    found: set[str] = set()
    async with asyncio.timeout(LIMIT), websockets.connect(url) as socket:
        await socket.send(json.dumps(["REQ", "s", {"ids": ids}]))
        while (message := json.loads(await socket.recv()))[0] == "EVENT":
            found.add(message[2]["id"])
    return found
