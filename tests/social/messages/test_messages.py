"""Private messages between people: what is written here is read there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.errors import InvalidData, MessageNotSent, PlaintextTooLong, SigningRefused
from nostr_client.nips import nip59
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.messages.views import (
    ChangeKind,
    Delivery,
    MessageProtocol,
    Obstacle,
    PrivateMessage,
)
from nostr_client.social.mute_matcher import MuteMatcher
from tests.routing.rooms import ANA, BEN, CY, DEAD, LIMIT, Clock, Relay, signed
from tests.social.messages.people import NOW, dm_list, eventually, person, wraps_sent

A, B, C = (key.public_key.hex for key in (ANA, BEN, CY))


async def test_two_people_write_to_each_other(tmp_path: Path) -> None:
    async with Relay() as at_ana, Relay() as at_ben:
        lists = dm_list(ANA, at_ana.url), dm_list(BEN, at_ben.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            sent = await ana.messages.send([B], "hello Ben", subject="us")
            assert sent.text == "hello Ben"
            heard = await ben.hears("hello Ben", A)
            assert (heard.id, heard.author, heard.room) == (sent.id, A, frozenset({A, B}))
            [request] = await ben.messages.requests()
            assert (request.subject, request.unread) == ("us", 1)
            assert await ben.messages.conversations() == []

            await ben.messages.send([A], "hello Ana", reply_to=sent.id)
            answer = await ana.hears("hello Ana", B)
            assert answer.reply_to == sent.id
            [conversation] = await ben.messages.conversations()
            assert conversation.unread == 0
            assert await ben.messages.requests() == []
            assert (await ana.messages.delivered(sent.id)).delivery is Delivery.SENT
        assert {e.kind for e in (*at_ana.held, *at_ben.held)} == {kinds.GIFT_WRAP}
        assert [e.value("p") for e in at_ana.held] == [A, A]
        assert [e.value("p") for e in at_ben.held] == [B, B]
        assert len({e.pubkey for e in (*at_ana.held, *at_ben.held)}) == 4


async def test_a_group_reacts_edits_and_deletes(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = [dm_list(key, relay.url) for key in (ANA, BEN, CY)]
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
            person(tmp_path / "cy", CY, *lists) as cy,
        ):
            first = await ana.messages.send([B, C], "firts")
            second = await ana.messages.send([B, C], "second")
            await cy.hears("second", A, B)
            await ben.hears("firts", A, C)
            await ben.messages.react(first.id, "🤙")
            await cy.messages.react(second.id)
            edited = await ana.messages.edit(first.id, "first")
            assert (edited.edited, edited.created_at) == (True, first.created_at)

            async def changed() -> bool:  # the text may come before what says what it replaces
                return (await cy.hears("first", A, B)).edited

            await eventually(changed)
            assert await cy.texts(A, B) == ["first", "second"]
            await cy.messages.react(edited.id, "+")

            async def both() -> bool:
                shown = [await who.messages.message(edited.id) for who in (ana, ben, cy)]
                return all(m and {*m.reactions} == {(B, "🤙"), (C, "+")} for m in shown)

            await eventually(both)  # those to the text before, too
            async with asyncio.timeout(LIMIT):
                with ana.messages.watch() as changes:
                    await ben.messages._sending().send(*late_reaction(first, edited))
                    while (await anext(changes)).message_id != edited.id:
                        pass
            for replaced in (ana.messages.react(first.id), ana.messages.edit(first.id, "again")):
                with pytest.raises(InvalidData, match="another id"):
                    await replaced
            with pytest.raises(InvalidData):
                await cy.messages.delete(second.id)
            await ana.messages.delete(second.id)

            async def gone() -> bool:
                return (await ben.texts(A, C)) == ["first", ""]

            await eventually(gone)
            there = await ben.messages.message(second.id)
            assert there is not None
            assert there.deleted
            assert there.reactions == ((C, "+"),)
            assert await ana.messages.search("second") == []
            assert [m.text for m in await ana.messages.search("FIRST")] == ["first"]


def late_reaction(to: PrivateMessage, now: PrivateMessage) -> tuple[frozenset[str], list[Draft]]:
    """What somebody sends to whom the edit had not come yet."""
    return now.room, [Draft(7, "late", (("e", to.id), ("k", "14")))]


async def test_only_the_author_deletes(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            sent = await ana.messages.send([B], "stays")
            await ben.hears("stays", A)
            rumor, room = await ben.messages._find(sent.id)
            await ben.messages._sending().send(room, [ben.messages._deletion(rumor, "")])
            await ben.messages.send([A], "later")
            await ana.hears("later", B)
            assert await ana.texts(B) == ["stays", "later"]


async def test_nobody_without_a_list_is_written_to(tmp_path: Path) -> None:
    async with (
        Relay() as one,
        Relay() as two,
        person(
            tmp_path / "ana", ANA, dm_list(ANA, "wss://dm.example"), relays=[one.url, two.url]
        ) as ana,
    ):
        with pytest.raises(MessageNotSent) as told:
            await ana.messages.send([B], "hello")
        assert told.value.obstacles[B].obstacle is Obstacle.NO_LIST
        assert not one.sent("EVENT")
        assert not two.sent("EVENT")
        crowd = [SecretKey.generate().public_key.hex for _ in range(10)]
        with pytest.raises(MessageNotSent) as told:
            await ana.messages.send(crowd, "hello")
        assert told.value.obstacles[crowd[0]].obstacle is Obstacle.TOO_MANY
        assert await ana.messages.conversations() == []


async def test_that_nobody_answered_is_not_that_there_is_no_list(tmp_path: Path) -> None:
    clock = Clock(NOW)
    async with (
        Relay() as back,
        person(tmp_path / "ana", ANA, relays=[DEAD, back.url], clock=clock) as ana,
    ):
        back.words = "error: not now"
        reach = await ana.messages.can_message(B)
        assert reach.obstacle is Obstacle.NOT_FOUND_YET
        back.words = ""
        back.keep(dm_list(BEN, "wss://dm.example"))
        assert not await ana.messages.can_message(B)  # it was looked for just now
        clock.now += 60
        assert (await ana.messages.can_message(B)).relays == ("wss://dm.example",)


async def test_a_second_device_reads_what_the_first_wrote(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with person(tmp_path / "one", ANA, *lists) as one:
            sent = [await one.messages.send([B], f"{n}") for n in range(5)]
            for each in sent:
                await one.messages.delivered(each.id)
        async with person(tmp_path / "two", ANA, *lists) as two:
            last = await two.hears("4", B)
            await two.hears("0", B)
            assert last.delivery is Delivery.ELSEWHERE
            assert await two.texts(B) == ["0", "1", "2", "3", "4"]
            [conversation] = await two.messages.conversations()
            assert conversation.unread == 0


async def test_what_is_written_offline_arrives_later_once(tmp_path: Path) -> None:
    async with Relay() as relay:
        port, url = relay.port, relay.url
        await relay.end()
        lists = dm_list(ANA, url), dm_list(BEN, url)
        async with person(tmp_path / "ana", ANA, *lists, start=False) as ana:
            sent = await ana.messages.send([B], "from the tunnel")
            waiting = await ana.messages.delivered(sent.id)
            assert waiting.delivery is Delivery.STORED
        async with (
            Relay(port=port) as again,
            person(tmp_path / "ana", ANA, clock=Clock(NOW + 100)) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            running = asyncio.create_task(ana.replication.run())
            await ben.hears("from the tunnel", A)

            async def sent_by_now() -> bool:
                found = await ana.messages.message(sent.id)
                return found is not None and found.delivery is Delivery.SENT

            await eventually(sent_by_now)
            running.cancel()
            wraps = wraps_sent(again)
            assert len(wraps) == len(set(wraps)) == 2


async def test_a_message_that_expires_leaves_nothing(tmp_path: Path) -> None:
    clock, burns = Clock(NOW), "burns " * 9
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists, clock=clock) as ana,
            person(tmp_path / "ben", BEN, *lists, clock=clock) as ben,
        ):
            await ana.messages.send([B], "stays")
            sent = await ana.messages.send([B], burns, expires_in=3600)
            await ben.hears("stays", A)
            heard = await ben.hears(burns, A)
            assert heard.expires_at == NOW + 3600
            wraps = [w for w in relay.held if w.expiration]
            assert [w.expiration for w in wraps] == [NOW + 3600] * 2
            await ben.messages._archive.rewrite()  # what is shown may not be written down yet
            before = ben.sealed.stat().st_size
            clock.now += 3601
            assert await ben.texts(A) == ["stays"]
            await ben.messages._tidy()
            await ana.messages._tidy()
            assert ben.sealed.stat().st_size < before
            assert await ana.messages.message(sent.id) is None
        async with person(tmp_path / "ben", BEN, clock=clock) as ben:
            assert await ben.texts(A) == ["stays"]


async def test_requests_are_accepted_read_and_dismissed(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = [dm_list(key, relay.url) for key in (ANA, BEN, CY)]
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
            person(tmp_path / "cy", CY, *lists) as cy,
        ):
            await ana.messages.send([B], "from Ana")
            await cy.messages.send([B], "from Cy")
            await ben.hears("from Ana", A)
            await ben.hears("from Cy", C)
            await ben.messages.accept([A])
            await ben.messages.mark_read([A])
            await ben.messages.dismiss([C])
            [only] = await ben.messages.conversations()
            assert (only.members, only.unread) == (frozenset({A, B}), 0)
            assert await ben.messages.requests() == []
            await ana.messages.send([B], "again")
            await ben.hears("again", A)
            assert await ben.messages.unread() == 1
        async with person(tmp_path / "ben", BEN, start=False) as ben:
            [only] = await ben.messages.conversations()
            assert (only.members, only.unread) == (frozenset({A, B}), 1)
            assert await ben.messages.requests() == []
            status = await ben.messages.sync(5.0)
            assert status.waiting == 0
            assert await ben.messages.requests() == []


async def test_whom_the_account_follows_makes_no_request(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        follows = signed(BEN, kinds.FOLLOWS, tags=(("p", A),))
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists, follows) as ben,
        ):
            await ana.messages.send([B], "we know each other")
            await ben.hears("we know each other", A)
            assert await ben.messages.requests() == []


async def test_who_watches_is_told(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            await ben.messages.unlock()
            with ben.messages.watch() as changes:
                sent = await ana.messages.send([B], "psst")
                async with asyncio.timeout(LIMIT):
                    async for change in changes:
                        if change.kind is ChangeKind.MESSAGE:
                            break
                assert (change.room, change.message_id) == (frozenset({A, B}), sent.id)


async def test_messages_of_one_second_stay_in_their_order(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            written = [str(n) for n in range(8)]
            for text in written:
                await ana.messages.send([B], text)
            await ben.hears("7", A)
            await ben.hears("0", A)
            assert await ana.texts(B) == written

            async def all_there() -> bool:
                return await ben.texts(A) == written

            await eventually(all_there)
            page = await ben.messages.messages([A], limit=3)
            assert [m.text for m in page] == ["7", "6", "5"]
            older = await ben.messages.messages([A], before=page[-1].cursor, limit=2)
            assert [m.text for m in older] == ["4", "3"]


async def test_old_messages_are_read_and_marked(tmp_path: Path) -> None:
    from nostr_client.signing.local_signer import LocalSigner

    text = await LocalSigner(ANA).nip04_encrypt(B, "from the old days")
    old = signed(ANA, kinds.DIRECT_MESSAGE, text, (("p", B),))
    mine = await LocalSigner(BEN).nip04_encrypt(A, "my answer then")
    answer = signed(BEN, kinds.DIRECT_MESSAGE, mine, (("p", A),), NOW + 1)
    async with Relay(old, answer) as relay:
        async with person(tmp_path / "ben", BEN, relays=[relay.url]) as ben:
            heard = await ben.hears("from the old days", A)
            await ben.hears("my answer then", A)
            assert heard.protocol is MessageProtocol.NIP04
            [conversation] = await ben.messages.conversations()
            assert conversation.protocol is MessageProtocol.NIP04
            with pytest.raises(InvalidData):
                await ben.messages.react(heard.id)
        assert not [e for e in relay.sent("EVENT") if e[1]["kind"] == kinds.DIRECT_MESSAGE]


async def test_the_own_list_is_small_and_what_was_written_before_goes_there(
    tmp_path: Path,
) -> None:
    async with (
        Relay() as relay,
        Relay() as at_ben,
        person(
            *(tmp_path / "ana", ANA, dm_list(BEN, at_ben.url)),
            relays=[relay.url],
            clock=Clock(NOW + 100),
        ) as ana,
    ):
        sent = await ana.messages.send([B], "before I had a list")
        await ana.messages.delivered(sent.id)
        assert [e.value("p") for e in at_ben.held] == [B]
        assert not relay.held
        with pytest.raises(InvalidData):
            await ana.messages.set_relays([])
        with pytest.raises(InvalidData):
            await ana.messages.set_relays([f"wss://{n}.example" for n in range(4)])
        posted = await ana.messages.set_relays([relay.url])
        assert posted is not None
        assert await ana.messages.relays.own() == (relay.url,)
        running = asyncio.create_task(ana.replication.run())

        async def own_copy() -> bool:
            return any(e.value("p") == A for e in relay.held)

        await eventually(own_copy)
        running.cancel()


async def test_what_is_too_long_or_holds_a_key_is_not_sent(tmp_path: Path) -> None:
    from nostr_client.errors import SecretFound
    from nostr_client.nips import nip19

    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            with pytest.raises(PlaintextTooLong):
                await ana.messages.send([B], "x" * 41_000)
            with pytest.raises(SecretFound):
                await ana.messages.send([B], f"my key is {nip19.encode_nsec(CY)}")
            long = "x" * 40_000
            await ana.messages.send([B], long)
            await ben.hears(long, A)
            assert all(len(wrap.content) < 65_536 * 4 // 3 + 200 for wrap in relay.held)


async def test_a_watched_account_reads_and_writes_nothing(tmp_path: Path) -> None:
    async with person(tmp_path / "ana", ANA, can_sign=False) as ana:
        assert (await ana.messages.can_message(B)).obstacle is Obstacle.NO_KEY
        with pytest.raises(SigningRefused):
            await ana.messages.conversations()
        with pytest.raises(SigningRefused):
            await ana.messages.send([B], "no")
        assert not ana.messages.status.running


async def test_muted_people_and_words_are_told_and_count_as_unread_nowhere(tmp_path: Path) -> None:
    async def wrapped(key: SecretKey, text: str, *others: str) -> Event:
        signer, tags = LocalSigner(key), tuple(("p", p) for p in (A, *others))
        draft = Draft(kinds.CHAT_MESSAGE, text, tags, NOW - 60)
        rumor = nip59.Rumor.of(draft, signer.pubkey, NOW)
        sealed = await signer.nip44_encrypt(A, rumor.json)
        return nip59.wrap(await signer.sign(nip59.seal_draft(sealed, NOW)), A, NOW)

    follows = signed(ANA, kinds.FOLLOWS, tags=(("p", B),), at=NOW)
    wraps = [
        await wrapped(BEN, "from ben"),
        await wrapped(BEN, "to both", C),
        await wrapped(CY, "to both, too", B),
        await wrapped(CY, "cheap watches"),
    ]
    async with person(tmp_path, ANA, follows, *wraps) as ana:
        messages = ana.messages

        async def opened() -> bool:
            return messages.status.opened == len(wraps)

        await eventually(opened)
        assert await messages.unread() == 3
        messages._mutes = lambda: MuteMatcher([("word", "watches")], owner=A)
        [spam] = await messages.requests()
        assert spam.muted
        assert [room.muted for room in await messages.conversations()] == [False, False]
        messages._mutes = lambda: MuteMatcher([("p", B)], owner=A)
        assert {room.members: room.muted for room in await messages.conversations()} == {
            frozenset({A, B}): True,
            frozenset({A, B, C}): False,
        }
        both = {m.text: m.muted for m in await messages.messages([B, C])}
        assert both == {"to both": "by somebody you muted", "to both, too": ""}
        assert await messages.unread() == 1
        [request] = await messages.requests()
        assert not request.muted
