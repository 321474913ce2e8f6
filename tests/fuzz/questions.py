"""What one client of the fuzz asks: REQ, COUNT, a comparison (NIP-77), a search, and nonsense."""

from __future__ import annotations

import re

from nostr_client.nips import nip77
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.fuzz.oracle import Filter, Oracle, asks_private
from tests.fuzz.serving import ask
from tests.fuzz.world import World, key_of
from tests.relays.talk import Wire

PAGE_BYTES_THAT_CUT_NOTHING = 2**20


class Asker:
    """Asks through `client` what `oracle` knows; AssertionError at a wrong answer."""

    def __init__(self, client: Wire, world: World, oracle: Oracle, page_bytes: int) -> None:
        self._client = client
        self._world = world
        self._rng = world.rng
        self._oracle = oracle
        self._page_bytes = page_bytes
        self.keys: frozenset[str] = frozenset()

    async def log_in(self, url: str, keys: list[SecretKey], now: int) -> None:
        """Show the relay that we hold `keys`; maybe none."""
        await log_in(self._client, url, keys, now)
        self.keys = frozenset(key.public_key.hex for key in keys)
        self._oracle.keys = self.keys

    async def ask(self) -> None:
        """One question."""
        chance = self._rng.random()
        filters = self._world.filters()
        try:
            if chance < 0.06:
                await self._nonsense(filters)
            elif chance < 0.25:
                await self._count(filters)
            elif chance < 0.3:
                await self._compare(filters[0])
            elif chance < 0.34:
                await self._search(filters[0])
            else:
                await self._req(filters)
        except AssertionError as error:
            raise AssertionError(f"{error}\nasked: {filters!r}") from error

    async def stop(self) -> None:
        await self._client.send("CLOSE", "q")

    def _is_too_private(self, filters: list[Filter]) -> bool:
        return not self.keys and asks_private(filters)

    async def _req(self, filters: list[Filter]) -> None:
        sent, end = await ask(self._client, "q", self._world.text(["REQ", "q", *filters]))
        if self._is_too_private(filters):
            assert not sent
            assert end[0] == "CLOSED"
            assert end[2].startswith("auth-required:")
            return
        assert end[0] == "EOSE", end
        if self._page_bytes < PAGE_BYTES_THAT_CUT_NOTHING:
            self._oracle.check_cut_page(filters, sent, self._page_bytes)
            self._oracle.check_hints(filters, [event["id"] for event in sent], end)
        else:
            self._oracle.check_page(filters, sent, end)
        if self._rng.random() < 0.3:  # or the next one takes its place
            await self.stop()

    async def _count(self, filters: list[Filter]) -> None:
        await self._client.raw(self._world.text(["COUNT", "c", *filters]))
        label, id, answer = await self._client.recv()
        assert id == "c"
        if self._is_too_private(filters):
            assert label == "CLOSED"
            return
        assert label == "COUNT", answer
        assert answer["count"] == self._oracle.count(filters), answer
        if "hll" in answer:
            assert bytes.fromhex(answer["hll"]) == self._oracle.registers(filters)

    async def _nonsense(self, filters: list[Filter]) -> None:
        filters[self._rng.randrange(len(filters))] = self._world.refused_filter()
        label = self._rng.choice(("REQ", "COUNT"))
        await self._client.raw(self._world.text([label, "q", *filters]))
        answer = await self._client.recv()
        assert answer[:2] == ["CLOSED", "q"], answer
        assert answer[2].partition(":")[0] in ("invalid", "unsupported"), answer

    async def _compare(self, f: Filter) -> None:
        """NIP-77: what the relay has of a filter, against some of that and something else."""
        f.pop("limit", None)
        theirs = {(e.created_at, e.id) for e in self._oracle.matching([f])}
        ours = {one for one in theirs if self._rng.random() < 0.6}
        others = {(self._rng.randrange(2**33), self._rng.randbytes(32).hex()) for _ in range(5)}
        known = nip77.Items((at, bytes.fromhex(id)) for at, id in ours | others)
        comparing = nip77.NegentropyClient(known, self._rng.choice((0, 4096, 60_000)))
        message: bytes | None = comparing.first()
        await self._client.raw(self._world.text(["NEG-OPEN", "n", f, (message or b"").hex()]))
        have: set[str] = set()
        need: set[str] = set()
        while message is not None:
            label, id, answer = (await self._client.recv())[:3]
            assert id == "n"
            if self._is_too_private([f]):
                assert (label, answer[:13]) == ("NEG-ERR", "auth-required")
                return
            assert label == "NEG-MSG", answer
            found = comparing.answer(bytes.fromhex(answer))
            have |= {one.hex() for one in found.have}
            need |= {one.hex() for one in found.need}
            message = found.message
            if message is not None:
                await self._client.send("NEG-MSG", "n", message.hex())
        await self._client.send("NEG-CLOSE", "n")
        assert need == {id for _, id in theirs - ours}
        assert have == {id for _, id in others}

    async def _search(self, f: Filter) -> None:
        """NIP-50: whatever is found matches the filter and has the word."""
        word = self._rng.choice(("nostr", "a", "b:c", "日本語", "ça", '"', "*", "NOSTR", "", "0"))
        f["search"] = word
        sent, end = await ask(self._client, "q", self._world.text(["REQ", "q", f]))
        if end[0] == "CLOSED":
            assert end[2].partition(":")[0] in ("auth-required", "unsupported", "invalid"), end
            return
        found = [event["id"] for event in sent]
        allowed = {event.id: event for event in self._oracle.matching([f])}
        assert len(found) == len(set(found)), "found twice"
        assert set(found) <= set(allowed), "found, and does not match"
        assert len(found) <= f.get("limit", len(found)), "more than the limit"
        for event in (allowed[id] for id in found):
            for part in re.findall(r"[a-z]+", word.lower()):
                assert part in event.json.decode().lower(), f"{part!r} is not in it"


async def log_in(client: Wire, url: str, keys: list[SecretKey], now: int) -> None:
    """Be asked for a proof of who we are, and give it for each of `keys` (NIP-42)."""
    await client.send("REQ", "private", {"kinds": [1059]})
    frames = [await client.recv(), await client.recv()]
    challenge = next(frame[1] for frame in frames if frame[0] == "AUTH")
    closed = next(frame for frame in frames if frame[0] == "CLOSED")
    assert closed[2].startswith("auth-required:"), closed
    for key in keys:
        answer = Draft(22242, "", (("relay", url), ("challenge", challenge)), now)
        event = answer.sign(key, now)
        await client.raw(b'["AUTH",' + event.json + b"]")
        assert await client.recv() == ["OK", event.id, True, ""]


def keys_for(world: World) -> list[SecretKey]:
    """Whom a client may show itself to be."""
    numbers = range(world.authors)
    count = min(world.authors, world.rng.choice((0, 0, 1, 3)))
    return [key_of(number) for number in world.rng.sample(numbers, count)]
