"""What strangers wrap: forged, damaged, huge, many; and signers that do not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from nostr_client.errors import SignerError, SignerUnavailable
from nostr_client.nips import nip44, nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText
from nostr_client.social.messages import mailbox, opening
from nostr_client.social.messages.records import KeptRumor
from tests.routing.rooms import ANA, BEN, CY, Relay
from tests.social.messages.people import NOW, Person, dm_list, eventually, person

A, B, C = (key.public_key.hex for key in (ANA, BEN, CY))


def rumor_of(
    author: SecretKey, text: str = "hello", *, kind: int = 14, tags: Tags = (("p", B),)
) -> Rumor:
    return Rumor.of(Draft(kind, text, tags), author.public_key.hex, NOW)


def wrapped(
    rumor: Rumor | str,
    sealer: SecretKey = ANA,
    to: SecretKey = BEN,
    *,
    tags: Tags = (),
    kind: int = kinds.GIFT_WRAP,
) -> Event:
    """`rumor`, or what stands in its place, sealed and wrapped."""
    text = rumor if isinstance(rumor, str) else rumor.json
    peer = to.public_key.hex
    payload = nip44.encrypt(text, nip44.conversation_key(sealer, peer), limit=nip44.MAX_PLAINTEXT)
    seal = Draft(kinds.SEAL, payload, tags, NOW - 5).sign(sealer, NOW)
    if len(seal.json) < nip44.EXTENDED_LENGTH:
        return nip59.wrap(seal, peer, NOW, kind=kind)
    once = SecretKey.generate()
    outer = nip44.encrypt(
        seal.json.decode(), nip44.conversation_key(once, peer), limit=nip44.MAX_PLAINTEXT
    )
    return Draft(kind, outer, (("p", peer),), NOW).sign(once, NOW)


async def opened_all(who: Person, wraps: int) -> None:
    async def done() -> bool:
        status = who.messages.status
        return status.total >= wraps and not status.waiting

    await eventually(done)


async def test_what_is_forged_is_dropped_and_counted(tmp_path: Path) -> None:
    true = rumor_of(ANA, "true")
    fields = json.loads(true.json)
    lies = [
        wrapped(rumor_of(CY, "as Cy"), ANA),
        wrapped(json.dumps({**fields, "id": "0" * 64})),
        wrapped(json.dumps({**fields, "sig": "0" * 128})),
        wrapped(json.dumps({**fields, "tags": "none"})),
        wrapped("[" * 20_000),
        wrapped("no json"),
    ]
    once = SecretKey.generate()
    damaged = Draft(kinds.GIFT_WRAP, "x" * 200, (("p", B),), NOW).sign(once, NOW)
    empty = Draft(kinds.GIFT_WRAP, "", (("p", B),), NOW).sign(once, NOW)
    other = wrapped(rumor_of(ANA, "a note", kind=1))
    roomless = wrapped(rumor_of(ANA, "to nobody", tags=()))
    wraps = [*lies, damaged, empty, other, roomless, wrapped(true)]
    async with (
        Relay(*wraps) as relay,
        person(tmp_path / "ben", BEN, dm_list(BEN, relay.url)) as ben,
    ):
        await ben.hears("true", A)
        await opened_all(ben, len(wraps))
        status = ben.messages.status
        assert (status.forged, status.failed) == (len(lies), 2)
        assert [r.members for r in await ben.messages.requests()] == [{A, B}]
        assert await ben.texts(A) == ["true"]


async def test_a_seal_with_expiration_is_taken_and_a_long_text_of_others_is_read(
    tmp_path: Path,
) -> None:
    long = "long " * 30_000
    wraps = [
        wrapped(rumor_of(ANA, "burns"), tags=(("expiration", str(NOW + 3600)),)),
        wrapped(rumor_of(ANA, long)),
    ]
    async with (
        Relay(*wraps) as relay,
        person(tmp_path / "ben", BEN, dm_list(BEN, relay.url)) as ben,
    ):
        assert (await ben.hears("burns", A)).expires_at == NOW + 3600
        await ben.hears(long, A)


async def test_a_message_for_another_key_is_said_to_be_that_and_opens_with_it(
    tmp_path: Path,
) -> None:
    """NIP-4E: `n` on the seal names the key of the author's, and the reader has one, too."""
    theirs, mine = SecretKey.generate(), SecretKey.generate()
    rumor = rumor_of(ANA, "for the other key")
    shared = nip44.conversation_key(theirs, mine.public_key.hex)
    tags = (("n", theirs.public_key.hex),)
    seal = Draft(kinds.SEAL, nip44.encrypt(rumor.json, shared), tags, NOW).sign(ANA, NOW)
    once = SecretKey.generate()
    outer = nip44.encrypt(seal.json.decode(), nip44.conversation_key(once, mine.public_key.hex))
    whole = Draft(kinds.GIFT_WRAP, outer, (("p", B),), NOW).sign(once, NOW)
    async with Relay(nip59.wrap(seal, B, NOW), whole) as relay:
        async with person(tmp_path / "ben", BEN, dm_list(BEN, relay.url)) as ben:
            await opened_all(ben, 2)
            assert (ben.messages.status.other_key, ben.messages.status.failed) == (1, 1)
        async with person(tmp_path / "ben", BEN, encryption=LocalSigner(mine)) as ben:
            await ben.hears("for the other key", A)


async def test_wraps_that_nobody_is_to_keep_are_not_kept(tmp_path: Path) -> None:
    gone = wrapped(rumor_of(ANA, "gone"), kind=kinds.EPHEMERAL_GIFT_WRAP)
    async with (
        Relay() as relay,
        person(tmp_path / "ben", BEN, dm_list(BEN, relay.url)) as ben,
    ):
        await relay.tell(gone)
        await relay.tell(wrapped(rumor_of(ANA, "stays")))
        await ben.hears("stays", A)
        assert await ben.rooms.store.get(gone.id) is None
        assert await ben.texts(A) == ["stays"]


async def test_strangers_find_only_so_much_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MOST_REQUESTS", 3)
    monkeypatch.setattr(mailbox, "REQUEST_MESSAGES", 2)
    crowd = [SecretKey.generate() for _ in range(6)]
    wraps = [wrapped(rumor_of(key, f"{n}"), key) for n, key in enumerate(crowd)]
    wraps += [wrapped(rumor_of(crowd[0], f"more {n}"), crowd[0]) for n in range(4)]
    async with (
        Relay(*wraps) as relay,
        person(tmp_path / "ben", BEN, dm_list(BEN, relay.url)) as ben,
    ):
        await opened_all(ben, len(wraps))
        requests = await ben.messages.requests()
        assert len(requests) == 3
        assert ben.messages.status.request_overflow > 0
        first = requests[0].others(B)
        assert len(await ben.messages.messages(first)) <= 2
        for request in requests:
            await ben.messages.dismiss(request.members)

        async def others() -> bool:
            found = await ben.messages.requests()
            return len(found) == 3 or ben.messages.status.request_overflow == 0

        await eventually(others)
        assert {r.members for r in requests} != {r.members for r in await ben.messages.requests()}


class Bunker(LocalSigner):
    """A signer that may be away, and counts what it is asked."""

    def __init__(self, key: SecretKey) -> None:
        super().__init__(key)
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked: list[PeerText] = []

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        if self.away:
            return [SignerUnavailable("the bunker did not answer")] * len(payloads)
        self.asked += payloads
        await self.answers.wait()
        return await super().decrypt_many(payloads)


async def test_what_the_signer_did_not_open_is_asked_again_and_nothing_twice(
    tmp_path: Path,
) -> None:
    bunker = Bunker(BEN)
    wraps = [wrapped(rumor_of(ANA, f"{n}")) for n in range(70)]
    async with Relay(*wraps[:40]) as relay:
        async with person(tmp_path / "ben", BEN, dm_list(BEN, relay.url), signer=bunker) as ben:
            await opened_all(ben, 40)
            bunker.away = True
            for wrap in wraps[40:]:
                await relay.tell(wrap)

            async def waits() -> bool:
                status = ben.messages.status
                return status.waiting == 30 and status.signer_problem == "the bunker did not answer"

            await eventually(waits)
        async with person(tmp_path / "ben", BEN, signer=bunker) as ben:

            async def known() -> bool:
                return ben.messages.status.waiting == 30

            await eventually(known)
            bunker.away = False
            ben.messages.retry()
            await opened_all(ben, 70)

            async def well() -> bool:
                return ben.messages.status.signer_problem == ""

            await eventually(well)
            assert len(await ben.texts(A)) == 50
        assert len(bunker.asked) == 2 * len(wraps)
        assert len(set(bunker.asked)) == len(bunker.asked)


async def test_who_stops_takes_what_the_signer_is_answering_along(tmp_path: Path) -> None:
    bunker = Bunker(BEN)
    bunker.answers.clear()
    wraps = [wrapped(rumor_of(ANA, f"{n}")) for n in range(opening.FEWEST + 1)]
    async with Relay() as relay:
        async with person(
            tmp_path / "ben", BEN, dm_list(BEN, relay.url), *wraps, signer=bunker
        ) as ben:

            async def asked() -> bool:
                return len(bunker.asked) == len(wraps)  # a second batch beside the first

            await eventually(asked)
            asyncio.get_running_loop().call_soon(bunker.answers.set)  # after it was told to stop
        async with person(tmp_path / "ben", BEN, signer=bunker) as ben:
            await opened_all(ben, len(wraps))
            assert len(await ben.texts(A)) == len(wraps)
        assert len(set(bunker.asked)) == len(bunker.asked) == 2 * len(wraps)


@pytest.mark.parametrize(
    ("kind", "tags", "content"),
    [
        (kinds.REACTION, (), "x" * 50_000),
        (kinds.DELETION, (("e", "f" * 64),) * 900, ""),
        (kinds.REACTION, (), ""),
        (kinds.CHAT_MESSAGE, (("p", B), ("x", "x" * 50_000)), ""),
    ],
)
def test_what_strangers_send_in_tags_and_beside_messages_has_a_bound(
    monkeypatch: pytest.MonkeyPatch, kind: int, tags: Tags, content: str
) -> None:
    monkeypatch.setattr(mailbox, "REQUEST_SIZE", 200_000)
    box, taken = mailbox.Mailbox(B), 0
    for n in range(1_000):
        id = f"{n:064x}"
        rumor = KeptRumor(id, id, f"{n:063x}a", NOW, kind, (*tags, ("e", id)), content)
        if box.takes(rumor):
            box.apply(rumor)
            taken += 1
        if n == 5:
            box.set_known(frozenset({C}))  # it is counted anew, and comes to the same
    assert 3 <= taken < 500
    known = KeptRumor("e" * 64, "e" * 64, C, NOW, kind, (*tags, ("e", id)), content)
    assert box.takes(known), "whom one knows finds room"
