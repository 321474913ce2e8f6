"""A bunker of ours at work in this process, and its person."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from nostr_client.bunker.core import BunkerCore
from nostr_client.bunker.files import BunkerFiles, RequestLogEntry
from nostr_client.bunker.questions import Consented, Question, Questions
from nostr_client.bunker.service import BunkerService
from nostr_client.bunker.state import BunkerClient, Invitation
from nostr_client.net.auth_demand import authenticator
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from nostr_client.nips.nip46 import BunkerUri, NostrConnectUri, parse_permissions
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.guards import Guard, Guarded
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.verifier import Verifier
from nostr_client.tasks import OwnedTasks
from tests.waiting import until

KEY = SecretKey(b"\x51" * 32)


class CountingSigner(LocalSigner):
    """Says what it signed."""

    def __init__(self, key: SecretKey = KEY) -> None:
        super().__init__(key)
        self.drafts: list[Draft] = []

    async def sign(self, draft: Draft) -> Event:
        self.drafts.append(draft)
        return await super().sign(draft)


class Serving:
    """Its files, what it said, and a person who answers as `answers` says, in order; without any
    he is waited for."""

    def __init__(self, folder: Path, relays: Sequence[str]) -> None:
        self.signer = CountingSigner()
        self.files = BunkerFiles(folder, self.signer.pubkey)
        self.relays = tuple(relays)
        self.asked: list[Question] = []
        self.answers: list[Consented] = []
        self.entries: list[RequestLogEntry] = []
        self.notices: list[str] = []
        self.answered = asyncio.Event()

    async def ask(self, question: Question) -> Consented:
        self.asked.append(question)
        while not self.answers:
            self.answered.clear()
            await self.answered.wait()
        return self.answers.pop(0)

    def answer(self, answer: Consented) -> None:
        self.answers.append(answer)
        self.answered.set()

    async def invite(self, permissions: str = "") -> BunkerUri:
        now, record = int(time.time()), self.files.key_record()
        assert record is not None
        invitation = Invitation.of("s3cret", now, self.relays, parse_permissions(permissions))
        await self.files.change(lambda state: state.invited(invitation, now))
        await until(lambda: all(one.heard for one in self.files.state().invitations))
        return BunkerUri(record.pubkey, self.relays, "s3cret")

    async def let_in(self, uri: NostrConnectUri, permissions: str = "") -> None:
        client = BunkerClient.of_uri(uri, int(time.time()), parse_permissions(permissions))
        await self.files.change(lambda state: state.with_client(client))

    @asynccontextmanager
    async def running(
        self, *, guards: Sequence[Guard] = (), alone: bool = False, yes_to: str = ""
    ) -> AsyncIterator[BunkerService]:
        """`alone`: nobody is there to be asked."""
        key = await self.files.key(self.signer, self.relays)
        core = BunkerCore(
            self.signer.pubkey,
            key.public_key.hex,
            self.relays,
            yes_to=parse_permissions(yes_to),
            signed=self.files.signed(),
        )
        async with (
            Verifier() as verifier,
            RelayPool(
                verifier=verifier,
                authenticate=authenticator(key, time.time),
                dial=DialPolicy(given=self.relays),
            ) as pool,
            OwnedTasks() as tasks,
        ):
            service = BunkerService(
                core,
                self.files,
                Guarded(self.signer, guards),
                key,
                pool,
                questions=Questions(None if alone else self.ask),
                notice=self.notices.append,
                logged=self.entries.append,
            )
            tasks.start(service.run())
            async with asyncio.timeout(30):
                await service.listening.wait()
            yield service
