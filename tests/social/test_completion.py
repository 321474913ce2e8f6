"""What a text may mean, as the store has it."""

from __future__ import annotations

from pathlib import Path

from nostr_client.social.completion import FRESH, Completion
from tests.social.house import ANA, BEN, BEN_KEY, CY, CY_KEY, ME, house, signed


async def test_people_tags_and_emoji_come_from_the_store(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        known = Completion(h.store, h.follows, h.profiles, owner=ME, clock=h.clock)
        assert (await known.vocabulary()).people == ()
        cat, dog = (("emoji", n, f"https://a.example/{n}.png") for n in ("cat", "dog"))
        foreign = signed(CY, 30030, "", (("d", "cats"), cat))
        await h.keep(
            signed(ANA, 3, "", (("p", CY_KEY),)),
            signed(BEN, 0, '{"name":"ben"}'),
            signed(CY, 0, '{"name":"cy"}'),
            signed(BEN, 1, "x", (("t", "Roof"), ("t", "coffee"))),
            signed(CY, 1, "y", (("t", "roof"),)),
            signed(ANA, 10030, "", (("emoji", "bad name", "https://a.example/x"), ("a", "30030:"))),
            signed(ANA, 30030, "", (("d", "mine"), dog)),
            foreign,
        )
        assert (await known.vocabulary()).people == (), "for a while what was read is good enough"
        h.clock.now += FRESH + 1
        found = await known.vocabulary()
        assert [person.pubkey for person in found.people] == [CY_KEY, BEN_KEY]
        assert (found.followed, found.hashtags[0]) == (1, "roof")
        assert found.emoji == {"dog": dog}, "only sets that the list names, and own ones"
        await h.keep(signed(ANA, 10030, "", (("a", foreign.address or ""),), at=int(h.clock.now)))
        h.clock.now += FRESH + 1
        assert (await known.vocabulary()).emoji == {"cat": cat, "dog": dog}
