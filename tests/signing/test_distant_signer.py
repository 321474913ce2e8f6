"""Nothing stands still while a signer takes its time, and nothing that is half made goes out.

What a demand for AUTH does meanwhile is in `routing/test_authentication.py`, what the terminal
client does in `tui/screens/test_bunker.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.errors import SignerUnavailable, SigningRefused
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from tests.signing.distant import DistantSigner
from tests.social.house import ANA, BEN, BEN_KEY, CY, CY_KEY, ME, Relay, house, relay_list, signed
from tests.social.messages.people import dm_list, person

ALL = Filter(authors=frozenset({ME}))


async def cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_note_waits_alone_and_is_nowhere_before_it_is_signed(tmp_path: Path) -> None:
    signer = DistantSigner(ANA)
    async with Relay() as relay, house(tmp_path, signer=signer) as h:
        await h.keep(relay_list(ANA, relay.url), signed(BEN, content="Ben's"))
        posting = asyncio.create_task(h.notes.post("slow"))
        await signer.is_asked()
        # Reading goes on, and so does writing: a second note asks while the first waits.
        assert [view.event.content for view in await h.timeline.author(BEN_KEY)] == ["Ben's"]
        second = asyncio.create_task(h.notes.post("withdrawn"))
        await signer.is_asked(2)
        assert await h.store.query([ALL.changed(kinds=frozenset({1}))]) == []
        await cancelled(second)
        refused = asyncio.create_task(h.notes.post("refused"))
        await signer.is_asked(2)
        signer.answer()
        posted = await posting
        signer.refuse()
        with pytest.raises(SigningRefused, match="said no"):
            await refused
        assert posted.report.accepted
        assert [e.content for e in relay.held if e.kind == 1] == ["slow"]
        written = await h.store.query([ALL.changed(kinds=frozenset({1}))])
        assert [event.content for event in written] == ["slow"]


async def test_a_list_that_waits_holds_up_no_other_list(tmp_path: Path) -> None:
    signer = DistantSigner(ANA)
    before = signed(ANA, kinds.FOLLOWS, tags=(("p", CY_KEY),))
    async with Relay() as relay, house(tmp_path, signer=signer) as h:
        relay.held += [relay_list(ANA, relay.url), before]
        await h.keep(*relay.held)
        following = asyncio.create_task(h.follows.follow(BEN_KEY))
        await signer.is_asked()
        naming = asyncio.create_task(h.profiles.update(about="here", allow_empty=True))
        await signer.is_asked(2)
        assert await h.follows.pubkeys() == [CY_KEY]
        assert newest(relay, kinds.FOLLOWS) == before
        await cancelled(following)
        signer.answer()
        await naming
        assert "here" in newest(relay, kinds.METADATA).content
        following = asyncio.create_task(h.follows.follow(BEN_KEY))
        await signer.is_asked()
        signer.refuse(SignerUnavailable("the device is not plugged in"))
        with pytest.raises(SignerUnavailable, match="not plugged in"):
            await following
        assert newest(relay, kinds.FOLLOWS) == before
        signer.hurry()
        await h.follows.follow(BEN_KEY)
        assert list(newest(relay, kinds.FOLLOWS).values("p")) == [CY_KEY, BEN_KEY]


async def test_a_private_message_waits_in_its_room_and_no_part_of_it_goes_out(
    tmp_path: Path,
) -> None:
    signer = DistantSigner(ANA)
    async with Relay() as relay:
        lists = [dm_list(key, relay.url) for key in (ANA, BEN, CY)]
        async with person(tmp_path, ANA, *lists, signer=signer, start=False) as ana:
            unlocking = asyncio.create_task(ana.messages.unlock())
            while not unlocking.done():
                if signer.waiting:
                    signer.answer()
                await asyncio.sleep(0)
            await unlocking
            to_ben = asyncio.create_task(ana.messages.send([BEN_KEY], "to ben"))
            await signer.is_asked()
            to_cy = asyncio.create_task(ana.messages.send([CY_KEY], "to cy"))
            await signer.is_asked(2)
            signer.answer()  # ben's is encrypted, and then to be signed
            await signer.is_asked(2)
            assert await ana.texts(BEN_KEY) == []
            await cancelled(to_ben)
            signer.refuse()
            with pytest.raises(SigningRefused):
                await to_cy
            assert wraps(relay.held) == wraps(await ana.rooms.store.query([Filter()])) == []
            signer.hurry()
            sent = await ana.messages.send([BEN_KEY], "after all")
            await ana.messages.delivered(sent.id)
            assert await ana.texts(BEN_KEY) == ["after all"]
            assert len(wraps(relay.held)) == 2


def wraps(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == kinds.GIFT_WRAP]


def newest(relay: Relay, kind: int) -> Event:
    return max((e for e in relay.held if e.kind == kind), key=lambda e: e.created_at)
