"""Our client, as a scene sees any other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.net.report import Answer
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Item
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.nips.nip77 import Items
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.foreign_reader import PlainFilter
from nostr_client.signing.gated import gated
from nostr_client.signing.local_signer import LocalSigner
from tests.interop.peer import Letter, Told, Wrong

CONFIG = ClientConfig(allow_private_relays=("127.0.0.1",), own_relay=False)


class OurClient:
    """`NostrClient` on one relay. What the relay shows is read past the client's store, which would
    set right what a relay does wrong."""

    def __init__(self, client: NostrClient, url: str, block: AsyncExitStack) -> None:
        self._client = client
        self._url = url
        self._block = block
        self._me = client.pubkey or ""
        self._items: AsyncIterator[Item] | None = None
        self._signer: RemoteSigner | None = None

    async def write(self, draft: Draft) -> tuple[Event, Told]:
        posted = await self._client.publish(draft)
        return posted.event, _told(posted.report.answers)

    async def send(self, event: Event) -> Told:
        report = await self._client.pool.publish(event, [self._url])
        return _told(report.answers)

    async def query(self, filter: PlainFilter) -> list[Event]:
        fetched = await self._client.pool.fetch([Filter.from_dict(filter)], [self._url])
        for url, end in fetched.ends.items():
            if not end.answered:
                why = f"{end.how} {end.prefix} {end.reason} {end.problem}".replace(url, "the relay")
                raise Wrong(f"not answered: {why}")
        return fetched.events

    async def listen(self, filter: PlainFilter) -> None:
        sub = self._client.pool.subscribe([Filter.from_dict(filter)], [self._url])
        await self._block.enter_async_context(sub)
        self._items = aiter(sub)
        async for item in self._items:
            if isinstance(item, EndOfStored):
                return
            if isinstance(item, Ended):
                raise Wrong(f"not answered: {item.cause}")

    async def heard(self) -> Event:
        assert self._items is not None
        async for item in self._items:
            if isinstance(item, Arrival):
                return item.event
        raise Wrong("the subscription ended")

    async def count(self, filter: PlainFilter) -> int:
        [answer] = await self._client.pool.count([Filter.from_dict(filter)], [self._url])
        if answer.count is None:
            raise Wrong(f"not counted: {answer}")
        return answer.count

    async def reconcile(self, filter: PlainFilter, held: Sequence[Event]) -> set[str]:
        """As it lies below `NostrClient.history`: what each lacks is brought over."""
        pool, asked = self._client.pool, Filter.from_dict(filter)
        items = Items((event.created_at, bytes.fromhex(event.id)) for event in held)
        found = await pool.reconcile(asked, self._url, items)
        for event in held:
            if bytes.fromhex(event.id) in found.have:
                await self.send(event)
        wanted = Filter.of(ids=[raw.hex() for raw in found.need])
        came = (await pool.fetch([wanted], [self._url])).events if found.need else []
        return {event.id for event in (*held, *came)}

    async def write_message(self, to: str, text: str) -> None:
        sent = await self._client.messages.send([to], text)
        await self._client.messages.delivered(sent.id)

    async def read_messages(self) -> list[Letter]:
        messages = self._client.messages
        messages.start()
        rooms = (*await messages.conversations(), *await messages.requests())
        return [
            Letter(message.author, message.text)
            for room in rooms
            for message in await messages.messages(room.others(self._me))
        ]

    async def sign_by(self, uri: str, draft: Draft) -> Event:
        if self._signer is None:
            pairing = await pair(BunkerUri.parse(uri))
            self._signer = await self._block.enter_async_context(RemoteSigner(pairing))
        return await gated(self._signer).sign(draft)


@asynccontextmanager
async def our_client(folder: Path, key: SecretKey, url: str) -> AsyncIterator[OurClient]:
    """A client of ours in `folder`, with this relay and no other."""
    paths = Paths(folder / "config", folder / "data", folder / "state")
    async with (
        NostrClient.open(
            LocalSigner(key), paths=paths, config=CONFIG, relays=[url], key_only_here=True
        ) as client,
        AsyncExitStack() as block,
    ):
        yield OurClient(client, url, block)


def _told(answers: Sequence[Answer]) -> Told:
    [answer] = answers
    return Told(bool(answer.accepted), str(answer.cause))
