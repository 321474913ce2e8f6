"""Private messages between people: what is written here is read there."""

from __future__ import annotations

from pathlib import Path

from nostr_client.social.messages.views import Delivery
from tests.routing.rooms import ANA, BEN, Relay
from tests.social.messages.people import dm_list, person

A, B = ANA.public_key.hex, BEN.public_key.hex


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
        assert {e.kind for e in (*at_ana.held, *at_ben.held)} == {1059}
        assert [e.value("p") for e in at_ana.held] == [A, A]
