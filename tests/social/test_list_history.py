"""Earlier versions of lists, taken back and put together over relays."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import InvalidEvent, NotConfirmed
from nostr_client.protocol import kinds
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.guards import Confirmation, consent_to
from nostr_client.social.list_history import ListHistory
from tests.social.house import ANA, ME, House, Relay, house, relay_list, signed

PEOPLE = {name: SecretKey(name.encode() * 32).public_key.hex for name in "abcdefg"}


def people(names: str) -> list[str]:
    return [PEOPLE[name] for name in names]


async def followed(h: House, names: str) -> None:
    for pubkey in people(names):
        assert await h.follows.follow(pubkey, allow_empty=True)


def history(h: House) -> ListHistory:
    return ListHistory(h.courier, h.guard, ME)


async def test_the_last_change_is_taken_back_and_that_too(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await followed(h, "abcdef")
        lists = history(h)
        assert len(await lists.versions(kinds.FOLLOWS)) == 6
        seen, before = [await lists.version(kinds.FOLLOWS, n) for n in ("1", "2")]
        done = await lists.restore(before, seen)
        assert done.posted is not None
        assert await h.follows.pubkeys() == people("abcde")
        assert not done.conflicts
        newest = await lists.version(kinds.FOLLOWS)
        assert (await lists.restore(newest, newest)).posted is None
        again = await lists.version(kinds.FOLLOWS, seen.event.id[:8])
        assert again.number == 2
        await lists.restore(again, newest)
        assert await h.follows.pubkeys() == people("abcdef")


async def test_going_far_back_is_confirmed_as_any_list_in_anothers_place(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await followed(h, "abcd")
        lists = history(h)
        seen, first = [await lists.version(kinds.FOLLOWS, n) for n in ("1", "4")]
        with pytest.raises(NotConfirmed, match="3 of its 4 entries"):
            await lists.restore(first, seen)
        assert await h.follows.pubkeys() == people("abcd")
        h.guard._confirmation = Confirmation(consent_to("follows", without_backup=True))
        await lists.restore(first, seen)
        assert await h.follows.pubkeys() == people("a")


async def test_what_another_device_wrote_meanwhile_stays(tmp_path: Path) -> None:
    async with Relay() as relay, house(tmp_path, only_here=False) as h:
        await h.keep(relay_list(ANA, relay.url, at=1))
        await followed(h, "abcdef")
        lists = history(h)
        seen, before = [await lists.version(kinds.FOLLOWS, n) for n in ("1", "2")]
        tags = seen.event.tags
        renamed = ("p", PEOPLE["a"], "", "renamed")
        theirs = (renamed, *tags[1:], ("p", PEOPLE["g"]))
        relay.keep(signed(kind=kinds.FOLLOWS, tags=theirs, at=seen.event.created_at + 5))
        h.clock.now = seen.event.created_at + 100
        done = await lists.restore(before, seen)
        assert done.posted is not None
        assert done.posted.event.tags == (renamed, *tags[1:5], ("p", PEOPLE["g"]))
        assert not done.conflicts


async def test_what_cannot_be_had_both_ways_is_said(tmp_path: Path) -> None:
    async with Relay() as relay, house(tmp_path, only_here=False) as h:
        await h.keep(relay_list(ANA, relay.url, at=1))
        await followed(h, "abcdef")
        lists = history(h)
        seen, before = [await lists.version(kinds.FOLLOWS, n) for n in ("1", "2")]
        renamed = ("p", PEOPLE["f"], "", "renamed")
        theirs = (*seen.event.tags[:-1], renamed)
        relay.keep(signed(kind=kinds.FOLLOWS, tags=theirs, at=seen.event.created_at + 5))
        done = await lists.restore(before, seen)
        assert done.posted is None, "what they changed of f is not lost"
        (conflict,) = done.conflicts
        assert (conflict.before, conflict.after[0].tag) == ((), renamed)


async def test_two_versions_are_put_together_with_their_private_parts(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        mutes = h.mutes
        await mutes.add(("p", "a" * 64))
        await mutes.add(("word", "spam"), public=True)
        await mutes.remove(("word", "spam"))
        await mutes.add(("t", "ads"))
        lists = history(h)
        mine, theirs, base = [await lists.version(kinds.MUTES, n) for n in ("1", "3", "4")]
        assert not mine.is_closed
        done = await lists.merge(mine, theirs, base, mine)
        assert done.posted is not None
        entries = await mutes.entries()
        assert entries.public == (("word", "spam"),)
        assert entries.private == (("p", "a" * 64), ("t", "ads"))


async def test_a_version_that_is_not_there_is_said(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await followed(h, "a")
        lists = history(h)
        for which in ("2", "0", "abc", "f" * 64, ""):
            with pytest.raises(InvalidEvent, match="there are 1 here"):
                await lists.version(kinds.FOLLOWS, which)
    async with house(tmp_path / "b", can_sign=False) as h:
        assert await history(h).versions(kinds.MUTES) == []
