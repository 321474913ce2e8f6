"""A bunker of ours in a process of its own, whose answers take a while (`python -m
benchmarks.far_signer URL`): `FarSigner.start` begins it, and says at its end what it was asked.

It reads the account's key as the first line of its standard input, says the code with which one
client may connect, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path
from typing import Final, Self

import msgspec

from nostr_client.bunker.core import BunkerCore
from nostr_client.bunker.files import BunkerFiles
from nostr_client.bunker.questions import Questions
from nostr_client.bunker.service import BunkerService
from nostr_client.bunker.state import Invitation
from nostr_client.net.auth_demand import authenticator
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from nostr_client.nips.nip46 import BunkerUri, parse_permissions
from nostr_client.paths import environment_for_children
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.verifier import Verifier
from nostr_client.tasks import OwnedTasks

DELAY: Final = 0.05
"""Seconds until it answers a request to decrypt."""
LIMIT: Final = 30.0
PERMITTED: Final = "nip44_decrypt,nip44_encrypt,sign_event"


class Asked(msgspec.Struct, frozen=True):
    """How many payloads it decrypted, how many of them again, and the most at the same time."""

    payloads: int
    again: int
    at_once: int


class FarSigner:
    """The process, as whoever started it sees it; `uri` is for one client."""

    def __init__(self, process: Process, uri: BunkerUri) -> None:
        self._process = process
        self.uri = uri

    @classmethod
    async def start(cls, key: SecretKey, relay: str) -> Self:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.far_signer", relay),
            stdin=PIPE,
            stdout=PIPE,
            env=environment_for_children(),
        )
        assert process.stdin
        assert process.stdout
        process.stdin.write(bytes(key).hex().encode() + b"\n")
        async with asyncio.timeout(LIMIT):
            return cls(process, BunkerUri.parse((await process.stdout.readline()).decode().strip()))

    async def stop(self) -> Asked:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        async with asyncio.timeout(LIMIT):
            said = await self._process.stdout.read()
            await self._process.wait()
        return msgspec.json.decode(said, type=Asked)


class _SlowSigner(LocalSigner):
    def __init__(self, key: SecretKey) -> None:
        super().__init__(key)
        self._seen: Counter[str] = Counter()
        self._running = self._most = 0

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        self._seen[payload] += 1
        self._running += 1
        self._most = max(self._most, self._running)
        try:
            await asyncio.sleep(DELAY)
            return await super().nip44_decrypt(peer, payload)
        finally:
            self._running -= 1

    def asked(self) -> Asked:
        again = sum(times - 1 for times in self._seen.values())
        return Asked(len(self._seen), again, self._most)


async def serve(relay: str) -> None:
    """Answer until standard input ends; then print what was asked."""
    line = await asyncio.to_thread(sys.stdin.readline)
    signer = _SlowSigner(SecretKey.from_hex(line.strip()))
    with tempfile.TemporaryDirectory() as name:
        files = BunkerFiles(Path(name), signer.pubkey)
        key = await files.key(signer, (relay,))
        now, secret = int(time.time()), "benchmark"
        invitation = Invitation.of(secret, now, (relay,), parse_permissions(PERMITTED))
        await files.change(lambda state: state.invited(invitation, now))
        async with (
            Verifier() as verifier,
            RelayPool(
                verifier=verifier,
                authenticate=authenticator(key, time.time),
                dial=DialPolicy(given=[relay]),
            ) as pool,
            OwnedTasks() as tasks,
        ):
            core = BunkerCore(signer.pubkey, key.public_key.hex, (relay,))
            service = BunkerService(core, files, signer, key, pool, questions=Questions(None))
            tasks.start(service.run())
            async with asyncio.timeout(LIMIT):
                await service.listening.wait()
            print(BunkerUri(key.public_key.hex, (relay,), secret).format(), flush=True)
            await asyncio.to_thread(sys.stdin.read)
    print(msgspec.json.encode(signer.asked()).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
