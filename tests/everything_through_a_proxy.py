"""A program that does what people do, with a proxy set, and writes down every connection and every
name that it looks up: `python -m tests.everything_through_a_proxy FOLDER PROXY`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.bunker_pairing import BunkerOptions
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import NostrError
from nostr_client.net.relay_check import check_relay
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.nips.nip92 import MediaItem
from nostr_client.paths import Paths
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.media.blossom import Blob
from nostr_client.social.media.uploads import UploadFile

RELAY, OTHER = "ws://relay.example.com", "ws://other.example.com"
ONION = f"ws://{'a' * 56}.onion"
BEN = SecretKey.from_hex("2" * 64).public_key.hex
FILE = UploadFile(Blob.of(b"x", "image/png"))
LIMIT = 60.0

connected: list[Any] = []
looked_up: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connected.append(arguments[1])
    elif event == "socket.getaddrinfo" or event.startswith("socket.gethostby"):
        looked_up.append(str(arguments[0]))


@contextlib.contextmanager
def whatever_comes_of_it() -> Any:
    """No relay of this test knows a bunker, a domain or a file: it is about who is asked."""
    with contextlib.suppress(NostrError, TimeoutError):
        yield


async def live(folder: Path, proxy: str) -> str:
    """Everything once; returns the address of the own relay."""
    config = ClientConfig(proxy=proxy, relays=(RELAY, ONION))
    where = Paths(folder / "config", folder / "data", folder / "state")
    async with NostrClient.open(
        LocalSigner(SecretKey.from_hex("1" * 64)),
        paths=where,
        config=config,
        own_relay=True,
        key_only_here=True,
    ) as client:
        assert client.own_relay is not None, client.own_relay_problem
        posted = await client.post("hello")
        assert {RELAY, ONION} <= {answer.url for answer in posted.report.answers if answer.accepted}
        client.start_reading()
        client.messages.start()
        await client.fetch(Filter.of(kinds=[1], limit=3), relays=[OTHER])
        await client.profiles.fetch([BEN])
        with whatever_comes_of_it():
            await client.profiles.update(name="me", nip05="me@domain.example.com")
        for act in (
            client.profiles.check_nip05(client.pubkey),
            client.profiles.resolve("ben@domain.example.com"),
            client.messages.set_relays([RELAY]),
            client.messages.send([BEN], "hello"),
            client.media.find(MediaItem(url="https://files.example.com/a"), most_bytes=9),
            client.media.upload(FILE, ["https://blobs.example.com"]),
        ):
            with whatever_comes_of_it():
                await act
        own = client.book.policy.own_relay
    async for _ in aclosing(check_relay("ws://checked.example.com", proxy=proxy, others=[OTHER])):
        pass
    bunker = BunkerUri.parse(f"bunker://{BEN}?relay=ws%3A%2F%2Fbunker.example.com&secret=x")
    with whatever_comes_of_it():
        async with asyncio.timeout(2):
            await pair(bunker, BunkerOptions(proxy=proxy))
    return own


async def aclosing(steps: Any) -> AsyncIterator[Any]:
    async with contextlib.aclosing(steps) as those:
        async for step in those:
            yield step


def main() -> None:
    folder, proxy = sys.argv[1:]
    sys.addaudithook(watch)

    async def bounded() -> str:
        async with asyncio.timeout(LIMIT):
            return await live(Path(folder), proxy)

    own = asyncio.run(bounded())
    print(json.dumps({"own": own, "connected": connected, "looked_up": looked_up}))


if __name__ == "__main__":
    main()
