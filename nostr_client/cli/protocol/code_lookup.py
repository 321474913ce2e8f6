"""What codes and names mean, looked for where it may be, and printed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nostr_client.cli.outcomes import conclude, not_found
from nostr_client.cli.protocol.asking import ANSWER_LIMIT, EventPrinter, as_wanted
from nostr_client.cli.protocol.filter_options import is_name
from nostr_client.cli.protocol.json_lines import InputLines
from nostr_client.errors import InvalidCode, NostrError
from nostr_client.exits import CommandError, Exit, exit_code_of
from nostr_client.nips import nip19
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.fetch_results import joined
from nostr_client.store.rules import address_filter
from nostr_client.tasks import together

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.net.outcome import End
    from nostr_client.protocol.event import Event

AT_ONCE: Final = 8
"""Codes that are looked for at the same time."""


class CodeLookup:
    """One run of the command."""

    def __init__(
        self,
        context: ClientContext,
        client: NostrClient,
        *,
        near: Sequence[str],
        kinds: Sequence[int],
        limit: int,
    ) -> None:
        """`near` are relays to be asked, too; of people at most `limit` events of `kinds`."""
        self._context = context
        self._client = client
        self._near = near
        self._kinds = kinds
        self._limit = limit
        self._seconds = context.timeout or ANSWER_LIMIT
        self._printer = EventPrinter(context)
        self._lines = InputLines(context)
        self._ends: dict[str, End] = {}
        self._wanted = self._found = 0
        self._problem: NostrError | None = None
        self._alone = False
        """There is but one code: the error that the command ends with says it all."""

    async def all_of(self, codes: Sequence[str]) -> None:
        """Print what they mean, or without any what standard input names, one a line. Raises
        CommandError where nothing was found."""
        self._alone = len(codes) == 1
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, code: str) -> None:
            try:
                await self._one(number, code)
            finally:
                room.release()

        async with together() as group:
            async for number, code in self._codes(codes):
                await room.acquire()
                self._wanted += 1
                group.create_task(one(number, code))
        if not self._wanted:
            raise CommandError("nothing to fetch: standard input is empty", Exit.USAGE)
        self._lines.conclude()
        if not self._found and self._problem is not None:
            if self._alone:
                raise self._problem
            raise CommandError("nothing was found", exit_code_of(self._problem))
        if not self._found:
            raise not_found("nothing was found", self._ends)
        await conclude(self._context, self._client, self._ends, shown=True, nothing="")
        if self._found < self._wanted:
            self._context.exit_code = Exit.INCOMPLETE

    async def _codes(self, given: Sequence[str]) -> AsyncIterator[tuple[int, str]]:
        for number, code in enumerate(given, 1):
            yield number, code
        if not given:
            async for batch in self._lines.coming():
                for number, line in batch:
                    yield number, line.decode("utf-8", "replace").strip()

    async def _one(self, number: int, code: str) -> None:
        """Print what one code means; what was not found is told."""
        try:
            events = await self._events_of(code)
        except NostrError as error:
            self._problem = self._problem or error
            self._refuse(number, str(error))
            return
        if events:
            self._found += 1
            await self._printer(events)
        else:
            self._refuse(number, "not found")

    def _refuse(self, number: int, why: str) -> None:
        if not self._alone:
            self._lines.refuse(number, why)

    async def _events_of(self, text: str) -> list[Event]:
        """What is here once relays were asked, if need be: by its id an event is what it is."""
        wanted = await self._meant(text)
        store = self._client.store
        if wanted.filter.ids is not None and (held := await store.query([wanted.filter])):
            return held
        await self._ask(wanted)
        return await store.query([wanted.filter])

    async def _meant(self, text: str) -> MeantByCode:
        """Raises InvalidCode, and NostrError where a domain does not answer."""
        bare = text.strip().removeprefix("nostr:")
        if is_name(bare) or bare.lower().startswith(("npub1", "nprofile1")):
            who = await self._client.profiles.resolve(bare)
            return MeantByCode(Filter.of(authors=[who], kinds=self._kinds, limit=self._limit))
        if bare.lower().startswith("naddr1"):
            place = nip19.decode(bare)
            if isinstance(place, nip19.Naddr):
                address = f"{place.kind}:{place.pubkey}:{place.identifier}"
                if (found := address_filter(address)) is not None:
                    return MeantByCode(found, place.relays, address=address)
        if not (nip19.is_like_code(bare) or is_hex64(bare.lower())):
            raise InvalidCode(f"{nip19.NO_CODE}, nor 64 hex digits of an event, nor name@domain")
        event = nip19.event_of(bare)
        return MeantByCode(Filter.of(ids=[event.id]), event.relays, event.author or "")

    async def _ask(self, wanted: MeantByCode) -> None:
        """The relays in a code are the word of whoever made it: they open no private address."""
        courier = self._client.courier
        self._client.book.policy.use_from_code(wanted.hints)
        if wanted.filter.ids is not None or wanted.address:
            asked = await courier.fetch_ids(
                wanted.filter.ids or (),
                addresses=[wanted.address] if wanted.address else (),
                near=(*self._near, *wanted.hints),
                authors=[wanted.author] if wanted.author else (),
                limit=self._seconds,
            )
        else:
            asked = await courier.fetch([wanted.filter], timeout=self._seconds)
            if self._near:
                limit = self._seconds
                asked.add(await courier.fetch_from([wanted.filter], self._near, timeout=limit))
        ends = {url: as_wanted(end, [wanted.filter]) for url, end in asked.ends.items()}
        self._ends = joined(self._ends, ends)


class MeantByCode(NamedTuple):
    """What of the store is meant, the relays that the code names, and the author if he is known."""

    filter: Filter
    hints: tuple[str, ...] = ()
    author: str = ""
    address: str = ""
