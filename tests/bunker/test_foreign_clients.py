"""Clients that are not ours ask a bunker of ours, over a relay that lags, is started again, and may
want to know who asks (NIP-42): each request is answered, and nothing is signed twice.

nostr-tools says who it is with the client's key, where its pool is told to, and before its signer
subscribes (2.25); nostr-sdk's `NostrConnect` (0.45) has nothing that would, and go-nostr's neither:
they are tried at relays that do not ask.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import nostr_sdk as sdk
import pytest

from nostr_client.protocol.event import Event
from tests.bunker.serving import KEY, Serving
from tests.conftest import StartRelay
from tests.waiting import until

REQUESTS = 100
RESTARTS = 2
LAG = 0.03
"""Seconds by which each piece is late, both ways."""
DATE = 1_800_000_000
LIMIT = 170.0
CLIENTS = Path(__file__).parent / "clients"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(LIMIT + 90)]


@asynccontextmanager
async def lagging(url: str) -> AsyncIterator[str]:
    """The relay at `url`, further away."""
    port = urlsplit(url).port
    carrying: set[asyncio.Task[None]] = set()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                await asyncio.sleep(LAG)
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        for task in (carry(reader, back), carry(there, writer)):
            carrying.add(asyncio.create_task(task))

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


@asynccontextmanager
async def far_bunker(
    start_relay: StartRelay, folder: Path, *, asks: bool = False
) -> AsyncIterator[tuple[Serving, str]]:
    """A bunker, and the code for a client; the relay ends and comes back while it is asked. `asks`:
    it wants to know who is there."""
    relay = await start_relay(data=folder / "relay")
    config = folder / "relay.toml"
    asking = "[access]\nauthenticated = true\ngreet = true\n"
    config.write_text(asking if asks else "")
    async with lagging(relay.url) as url:
        given = ("--config", str(config), "--url", url)  # which is what a client says that it met
        port = urlsplit(relay.url).port
        await relay.kill()
        relay = await start_relay(*given, data=relay.data, port=port)
        bunker = Serving(folder, [url])

        async def restart() -> None:
            nonlocal relay
            for number in range(1, RESTARTS + 1):
                enough = number * REQUESTS // (RESTARTS + 1)
                await until(lambda enough=enough: len(bunker.signer.drafts) >= enough, LIMIT)
                await relay.kill()
                relay = await start_relay(*given, data=relay.data, port=port)

        async with bunker.running(alone=True):
            uri = await bunker.invite("sign_event")
            restarts = asyncio.create_task(restart())
            try:
                yield bunker, uri.format()
                await restarts
            finally:
                restarts.cancel()


def none_lost_none_twice(bunker: Serving, events: list[Event]) -> None:
    assert [event.content for event in events] == [str(number) for number in range(REQUESTS)]
    assert all(event.verify() and event.pubkey == KEY.public_key.hex for event in events)
    signed = Counter(draft.content for draft in bunker.signer.drafts)
    assert signed == Counter({str(number): 1 for number in range(REQUESTS)})


async def test_nostr_sdk(start_relay: StartRelay, tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT), far_bunker(start_relay, tmp_path) as (bunker, code):
        uri = sdk.NostrConnectUri.parse(code)
        keys, account = sdk.Keys.generate(), sdk.PublicKey.parse(KEY.public_key.hex)
        client = sdk.NostrConnect(uri, keys, timedelta(seconds=4), None)
        events: list[Event] = []
        while len(events) < REQUESTS:
            builder = sdk.EventBuilder(sdk.Kind(1), str(len(events)))
            draft = builder.custom_created_at(sdk.Timestamp.from_secs(DATE))
            try:
                given = await client.sign_event_async(draft.finalize_unsigned(account))
            except Exception as error:  # whatever its language calls a time-out
                if "timeout" not in str(error).lower():
                    raise
                continue
            assert given is not None
            events.append(Event.parse(given.as_json()))
        none_lost_none_twice(bunker, events)


@pytest.mark.parametrize("asks", [False, True], ids=["open", "auth"])
async def test_nostr_tools(
    start_relay: StartRelay, tmp_path: Path, nostr_tools: Path, asks: bool
) -> None:
    far = far_bunker(start_relay, tmp_path, asks=asks)
    async with asyncio.timeout(LIMIT), far as (bunker, code):
        program = ("node", str(CLIENTS / "nostr_tools.cjs"), str(nostr_tools))
        pipe = asyncio.subprocess.PIPE
        client = await asyncio.create_subprocess_exec(
            *(*program, str(REQUESTS), str(DATE), *(["auth"] if asks else [])),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        )
        try:
            out, err = await client.communicate(code.encode())
        finally:
            if client.returncode is None:
                client.kill()
                await client.wait()
        assert client.returncode == 0, err.decode()
        none_lost_none_twice(bunker, [Event.parse(line) for line in out.splitlines()])
