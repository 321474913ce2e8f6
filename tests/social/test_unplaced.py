"""Notes that no relay has yet: which these are, and when one can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import InvalidEvent
from nostr_client.nips import nip19
from nostr_client.protocol.filters import Filter
from nostr_client.social.unplaced import UnplacedNotes
from nostr_client.social.writing import Writing
from tests.routing.rooms import BEN, signed
from tests.social.house import BEN_KEY, ME, House, house

RELAY, OTHER, OWN = "ws://127.0.0.1:9", "ws://127.0.0.1:8", "ws://127.0.0.1:7"


def unplaced_of(h: House) -> UnplacedNotes:
    return UnplacedNotes(
        h.store, h.notes, owner=ME, own_urls=lambda: (OWN,), under_way=h.courier.under_way
    )


async def written(h: House, writing: Writing) -> str:
    """A note that is stored and planned, and went nowhere."""
    event = await h.notes._publisher.sign(await h.notes.draft_of(writing))
    await h.keep(event)
    await h.store.ledger.want(event.id, [RELAY, OTHER, OWN])
    await h.store.ledger.confirm([(event.id, OWN)])
    return event.id


async def test_it_is_taken_back_until_a_relay_was_handed_it(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        unplaced, ledger = unplaced_of(h), h.store.ledger
        roof = signed(BEN, content="the roof")
        await h.keep(roof)
        npub = nip19.encode_npub(BEN_KEY)
        answer = Writing(text=f"wrogn, nostr:{npub} #Roof", reply_to=roof.id, warning="spoiler")
        note = await written(h, answer)
        await ledger.refuse(note, RELAY, "", "down", final=False, next_try=500, handed=False)
        [found] = await unplaced.all()
        assert ([c.url for c in found.copies], found.handed) == ([OTHER, RELAY], ())
        assert found.last_word is not None
        assert found.last_word.reason == "down"
        assert await unplaced.writing_of(found.event) == answer

        with h.courier.under_way.sending() as another:
            another.take(note, [OTHER])
            with pytest.raises(InvalidEvent, match="being sent"):
                await unplaced.take_back(note)
        posted = await unplaced.take_back(note)
        assert list(posted.event.values("e")) == [note]
        assert await h.store.get(note) is None
        assert await unplaced.all() == []

        late = await written(h, Writing(text="too late"))
        await ledger.refuse(late, RELAY, "error", "busy", final=False, next_try=0, handed=True)
        [found] = await unplaced.all()
        assert found.handed == (RELAY,)
        with pytest.raises(InvalidEvent, match=r"127.0.0.1 was handed it"):
            await unplaced.take_back(late)
        await ledger.confirm([(late, OTHER)])
        assert await unplaced.all() == []
        assert len(await h.store.query([Filter.of(authors=[ME], kinds=[1])])) == 1


async def test_what_the_composer_cannot_write_anew_stays(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await written(h, Writing(text="a song", tags=(("r", "https://songs.example"),)))
        [found] = await unplaced_of(h).all()
        with pytest.raises(InvalidEvent, match="can be deleted only"):
            await unplaced_of(h).writing_of(found.event)
