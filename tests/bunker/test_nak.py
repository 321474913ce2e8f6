"""nak, a command-line client that is not ours: it asks a bunker of ours, is a bunker for us, and
writes and reads private messages. `NAK` names the program (0.13 was tried)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.nips import nip59
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.gated import gated
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText
from tests.bunker.serving import KEY, Serving
from tests.bunker.test_foreign_clients import DATE, REQUESTS, lagging, none_lost_none_twice
from tests.conftest import StartRelay

NAK = os.environ.get("NAK", "")
LIMIT = 100.0
MOST_RUNS = 3
OTHER = SecretKey(b"\x52" * 32)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(LIMIT + 30),
    pytest.mark.skipif(not NAK, reason="NAK names no nak program"),
]


async def run(*words: str, given: str = "", **environment: str) -> tuple[str, str, int | None]:
    """What it prints, and how it ended."""
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(
        *(NAK, *words), env=os.environ | environment, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        out, err = await asyncio.wait_for(program.communicate(given.encode()), LIMIT)
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    return out.decode(), err.decode(), program.returncode


async def nak(*words: str, key: SecretKey) -> str:
    """What it prints, with `key`, which goes by its environment."""
    out, err, code = await run(*words, NOSTR_SECRET_KEY=bytes(key).hex())
    assert code == 0, err
    return out.strip()


def lines(drafts: Iterable[Draft]) -> str:
    fields = (
        {"kind": one.kind, "content": one.content, "tags": [], "created_at": one.created_at}
        for one in drafts
    )
    return "".join(f"{json.dumps(each)}\n" for each in fields)


async def test_it_asks_a_bunker_of_ours(start_relay: StartRelay, tmp_path: Path) -> None:
    """Over a relay that lags. One that is lost is beyond it: it asks once, and waits; and as a
    client of a bunker it logs in to no relay (NIP-42). On several cores it now and then loses a
    request to a race of its own (go-nostr, nip46/client.go, `hasWorked`), and ends: then it is run
    again."""
    relay = await start_relay()
    drafts = [Draft(1, str(number), (), DATE) for number in range(REQUESTS)]
    async with lagging(relay.url) as url:
        bunker = Serving(tmp_path, [url])
        async with bunker.running(alone=True):
            code = (await bunker.invite("sign_event,nip44_encrypt,nip44_decrypt")).format()
            # Here alone a code is an argument: nak takes it no other way.
            words = ("event", "--sec", code, "--connect-as", bytes(OTHER).hex())
            events: list[Event] = []
            for _ in range(MOST_RUNS):
                rest = lines(drafts[len(events) :])
                out, err, ended = await run(*words, given=rest, GOMAXPROCS="1")
                events += [Event.parse(line) for line in out.splitlines()]
                if not ended:
                    break
                assert "couldn't connect to any relay" in err, err
            none_lost_none_twice(bunker, events)


@asynccontextmanager
async def nak_bunker(url: str) -> AsyncIterator[BunkerUri]:
    program = await asyncio.create_subprocess_exec(
        *(NAK, "bunker", url),
        env=os.environ | {"NOSTR_SECRET_KEY": bytes(KEY).hex()},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stderr is not None

    async def read_on(stream: asyncio.StreamReader) -> None:
        while await stream.read(1 << 16):
            pass

    try:
        async with asyncio.timeout(LIMIT):
            line = ""
            while "bunker: bunker://" not in line:
                line = (await program.stderr.readline()).decode()
                assert line, "nak ended"
        reading = asyncio.create_task(read_on(program.stderr))
        yield BunkerUri.parse(line.partition("bunker: ")[2])
    finally:
        program.kill()
        await program.wait()
    await reading


async def test_it_is_a_bunker_for_us(start_relay: StartRelay) -> None:
    relay = await start_relay()
    async with nak_bunker(relay.url) as uri:
        pairing = await pair(uri)
        assert pairing.account == KEY.public_key.hex
        async with RemoteSigner(pairing) as remote:
            signer = gated(remote)
            drafts = [Draft(1, f"note {number}", (), DATE + number) for number in range(REQUESTS)]
            signed = await signer.sign_many(drafts)
            events = [event for event in signed if isinstance(event, Event)]
            assert [event.content for event in events] == [draft.content for draft in drafts]
            assert all(event.verify() and event.pubkey == KEY.public_key.hex for event in events)
            texts = [PeerText(OTHER.public_key.hex, f"text {number}") for number in range(10)]
            payloads = [str(each) for each in await signer.encrypt_many(texts)]
            back = [PeerText(KEY.public_key.hex, payload) for payload in payloads]
            assert await LocalSigner(OTHER).decrypt_many(back) == [one.text for one in texts]


async def test_private_messages_both_ways() -> None:
    """NIP-17 step by step, as nak 0.13 has no command of its own for it."""
    now, me, them = int(time.time()), LocalSigner(KEY), OTHER.public_key.hex
    rumor = Rumor.of(Draft(kinds.CHAT_MESSAGE, "hello nak", (("p", them),), now), me.pubkey, now)
    seal = await me.sign(nip59.seal_draft(await me.nip44_encrypt(them, rumor.json), now))
    parcel = nip59.wrap(seal, them, now)
    inner = await nak("decrypt", "-p", parcel.pubkey, parcel.content, key=OTHER)
    sealed = json.loads(inner)
    opened = json.loads(await nak("decrypt", "-p", sealed["pubkey"], sealed["content"], key=OTHER))
    assert (opened["content"], opened["pubkey"]) == ("hello nak", me.pubkey)

    theirs = Rumor.of(Draft(kinds.CHAT_MESSAGE, "hello us", (("p", me.pubkey),), now), them, now)
    once = SecretKey.generate()
    text = await nak("encrypt", "-p", me.pubkey, theirs.json, key=OTHER)
    written = await nak("event", "-k", "13", "-c", text, "--ts", str(now), key=OTHER)
    text = await nak("encrypt", "-p", me.pubkey, written, key=once)
    sent = Event.parse(await nak("event", "-k", "1059", "-c", text, "-p", me.pubkey, key=once))
    seal = nip59.parse_seal(await me.nip44_decrypt(sent.pubkey, sent.content))
    assert sent.verify()
    assert seal.verify()
    assert nip59.open_seal(seal, await me.nip44_decrypt(seal.pubkey, seal.content)) == theirs
