"""Signers that are not ours: go-nostr's (the engine of `nak bunker`) and NDK's, over a relay."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.errors import DecryptionFailed, SigningRefused
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.gated import gated
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText
from tests.conftest import StartRelay
from tests.interop.builds import PROGRAMS, GoProgram
from tests.interop.their_clients import NDK
from tests.peer_programs import made

ACCOUNT, OTHER = SecretKey(b"\x51" * 32), SecretKey(b"\x52" * 32)
ME, PEER = ACCOUNT.public_key.hex, OTHER.public_key.hex
LIMIT = 60.0


@pytest.fixture(scope="session")
def go_nostr() -> Sequence[str]:
    return [str(made(GoProgram("go_signer", ("github.com/nbd-wtf/go-nostr@v0.52.3",))))]


@pytest.fixture(scope="session")
def ndk() -> Sequence[str]:
    folder = made(NDK)
    return ["node", shutil.copy(PROGRAMS / "ndk_signer.mjs", folder)]


@asynccontextmanager
async def at_work(command: Sequence[str], url: str) -> AsyncIterator[BunkerUri]:
    """The program, and the code that it shows."""
    process = await asyncio.create_subprocess_exec(
        *(*command, url),
        env=os.environ | {"SIGNER_KEY": bytes(ACCOUNT).hex()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT):
            while not (line := (await process.stdout.readline()).decode()).startswith("bunker"):
                assert line, "the signer ended"
        yield BunkerUri.parse(line)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["go_nostr", "ndk"])
async def test_a_foreign_signer_signs_encrypts_and_decrypts(
    program: str, request: pytest.FixtureRequest, start_relay: StartRelay
) -> None:
    command: Sequence[str] = request.getfixturevalue(program)
    relay = await start_relay()
    async with at_work(command, relay.url) as uri:
        pairing = await pair(uri)
        assert pairing.account == ME
        async with RemoteSigner(pairing) as remote:
            signer, other = gated(remote), LocalSigner(OTHER)
            drafts = [
                Draft(1, f"note {number}", created_at=1_700_000_000 + number)
                for number in range(100)
            ]
            signed = await signer.sign_many(drafts)
            events = [event for event in signed if isinstance(event, Event)]
            assert len({event.id for event in events}) == 100, signed
            assert all(event.verify() and event.pubkey == ME for event in events)
            texts = [PeerText(PEER, f"text {number} ü") for number in range(20)]
            payloads = await signer.encrypt_many(texts)
            opened = await other.decrypt_many([PeerText(ME, str(each)) for each in payloads])
            assert opened == [each.text for each in texts]
            payload = await other.nip44_encrypt(ME, "hello")
            assert await signer.nip44_decrypt(PEER, payload) == "hello"
            payload = await other.nip04_encrypt(ME, "of old")
            assert await signer.nip04_decrypt(PEER, payload) == "of old"
            with pytest.raises((DecryptionFailed, SigningRefused)):
                await signer.nip44_decrypt(PEER, "A" * 200)
