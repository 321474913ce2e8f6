"""Programs that are said to show what this one cannot."""

from __future__ import annotations

from pathlib import Path

from nostr_client.nips import nip19
from nostr_client.social.openers import MOST_OPENERS, Opener
from tests.social.house import BEN, CY, CY_KEY, house, signed


async def test_programs_say_where_they_show_a_kind(tmp_path: Path) -> None:
    games = "https://games.example/"
    chess = signed(
        CY,
        31990,
        '{"name":"Chess"}',
        (
            ("d", "1"),
            ("k", "64"),
            ("web", f"{games}a/<bech32>", "naddr"),
            ("web", f"{games}<bech32>"),
        ),
    )
    useless = [
        signed(BEN, 31990, "[1", (("d", "2"), ("k", "64"), ("web", "http://x/<bech32>"))),
        signed(BEN, 31990, "", (("d", "3"), ("k", "65"), ("web", f"{games}<bech32>"))),
        signed(BEN, 31990, '{"name":1}', (("d", "4"), ("k", "64"), ("ios", "x<bech32>"))),
    ]
    many = [
        signed(BEN, 31990, "", (("d", f"m{n}"), ("k", "30064"), ("web", f"https://{n}.x/<bech32>")))
        for n in range(MOST_OPENERS + 3)
    ]
    async with house(tmp_path) as h:
        long = signed(CY, 30064, "", (("d", "x" * 300),))  # no address code can be made of it
        game, season = signed(CY, 64, "1. e4"), signed(CY, 30064, "", (("d", "s"),))
        note = signed(CY, content="just a note")
        await h.keep(chess, *useless, *many, game, season, note, long)
        views = {v.event: v for v in await h.timeline.views([game.id, season.id, note.id, long.id])}
        code = nip19.encode_nevent(game.id, [], CY_KEY, 64)
        assert views[game].openers == (Opener("Chess", f"{games}{code}"),)
        assert len(views[season].openers) == MOST_OPENERS
        assert "naddr1" in views[season].openers[0].url
        assert views[note].openers == ()
        assert "nevent1" in views[long].openers[0].url
