"""What a person reads of each kind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.openers import Opener
from nostr_client.social.poll_views import poll_view
from nostr_client.social.views import Quote
from nostr_client.tui.faces.zaps import shares_words
from tests.nips.zaps import receipt, request
from tests.tui.faces.faces_seen import ME, NOW, event, renderer, seen, shown, style, view

PAGE = "https://roof.example/photos"
OTHER = SecretKey.generate().public_key.hex


@pytest.mark.parametrize(
    ("kind", "content", "tags", "expected"),
    [
        (
            30023,
            "word " * 900,
            [("title", "The roof"), ("summary", "How it was mended."), ("t", "library")],
            ["article", "The roof", "How it was mended.", "4 min to read #library"],
        ),
        (30023, "", [("d", "roof")], ["article", "roof", "1 min to read"]),
        (30818, "A roof.", [("title", "Roof")], ["wiki page", "Roof", "A roof.", "1 min to read"]),
        (1111, "so true", [("I", PAGE), ("K", "web")], ["comment", f"on {PAGE}", "so true"]),
        (
            1111,
            "read it",
            [("I", "isbn:9780765382030"), ("K", "isbn")],
            ["comment", "on the book ISBN 9780765382030", "read it"],
        ),
        (11, "Good morning", [("title", "GM")], ["thread", "GM", "Good morning"]),
        (24, "are you there?", [("p", ME)], ["public message", "are you there?"]),
        (
            9802,
            "the roof is new",
            [("r", "https://x.example", "mention"), ("r", PAGE, "source"), ("comment", "Look:")],
            ["highlight", "Look:", "▍ the roof is new", f"from {PAGE}"],
        ),
        (
            9802,
            "x",
            [("a", f"30023:{OTHER}:roof")],
            ["highlight", "▍ x", "from an article: roof"],
        ),
        (
            1337,
            "def f():\n\treturn 1",
            [("l", "python"), ("name", "f.py"), ("license", "MIT")],
            ["code", "f.py · python · 2 lines · MIT", "def f():", "    return 1"],
        ),
        (7, "+", [("e", "1" * 64)], ["reaction", "♥ likes something"]),
        (7, ":soapbox:", [], ["reaction", ":soapbox: says something"]),
        (
            9041,
            "A new roof",
            [("amount", "210000")],
            ["zap goal", "A new roof", "asks for 210 sats"],
        ),
        (
            30311,
            "",
            [("title", "Roof radio"), ("status", "live"), ("summary", "All night.")],
            ["live stream", "Roof radio", "All night.", "live"],
        ),
        (
            31922,
            "Bring ladders.",
            [("title", "Roof day"), ("start", "2026-12-01"), ("location", "the library")],
            ["date", "Roof day", "Bring ladders.", "2026-12-01 · the library"],
        ),
        (
            31923,
            "",
            [("title", "Roof day"), ("start", "1700000000")],
            ["date", "Roof day", "2023-11-14 22:13 UTC"],
        ),
        (
            4,
            "Zm9v?iv=YmFy",
            [],
            ["private message", "It is encrypted; whom it is for reads it under Messages."],
        ),
        (0, '{"name":"eve","about":"hi"}', [], ["profile", "eve", "hi"]),
        (0, "[1]", [], ["profile", "a profile that says nothing"]),
        (5, "typo", [("e", "1" * 64)], ["deletion", "asks for 1 event to be deleted: typo"]),
        (
            39089,
            "",
            [("title", "Roof crew"), ("p", ME), ("p", OTHER)],
            ["list of people", "Roof crew", "2 people"],
        ),
    ],
)
def test_what_is_read(
    kind: int, content: str, tags: Sequence[Sequence[str]], expected: list[str]
) -> None:
    lines = shown(kind, content, *tags)
    assert lines == [f"ben · 2m · {expected[0]}", *expected[1:]]


PICTURE = ("imeta", f"url {PAGE}/1.jpg", "m image/jpeg", "dim 3024x4032", "alt The new roof")
FILE = [("url", f"{PAGE}/plan.pdf"), ("m", "application/pdf"), ("size", "1250000")]


@pytest.mark.parametrize(
    ("kind", "content", "tags", "expected"),
    [
        (
            20,
            "Done!",
            [("title", "Roof"), PICTURE],
            ["picture", "Roof", "Done!", "▣ picture · 3024x4032", "The new roof", f"{PAGE}/1.jpg"],
        ),
        (
            21,
            "",
            [
                ("title", "Roof day"),
                ("imeta", "url https://v.example/720.mp4", "dim 1280x720", "duration 29.2"),
                ("imeta", "url https://v.example/1080.mp4", "dim 1920x1080", "duration 29.2"),
            ],
            ["video", "Roof day", "▶ video · 1920x1080 · 0:29", "https://v.example/1080.mp4"],
        ),
        (
            1222,
            "https://v.example/hi.m4a",
            [("imeta", "url https://v.example/hi.m4a", "duration 8", "waveform 0 7 35")],
            ["voice message", "♪ audio · 0:08", "https://v.example/hi.m4a"],
        ),
        (
            1063,
            "The plan",
            FILE,
            [
                *("file", "The plan", "□ file · application/pdf · 1.2 MB"),
                f"{PAGE}/plan.pdf",
            ],
        ),
        (20, "", [], ["picture", "It says nothing of itself."]),
    ],
)
def test_files_say_what_they_are_and_where(
    kind: int, content: str, tags: Sequence[Sequence[str]], expected: list[str]
) -> None:
    assert shown(kind, content, *tags) == [f"ben · 2m · {expected[0]}", *expected[1:]]


def test_code_is_cut_and_not_wrapped() -> None:
    lines = seen(view(event(1337, "x" * 200 + "\n  y")), 30)
    assert [len(line) for line in lines[-2:]] == [30, 3]


def test_a_quoted_article_is_its_title() -> None:
    article = event(30023, "long " * 900, ("title", "The roof"), ("d", "roof"))
    item = view(event(1, "read"), quotes=(Quote(article.id, article, view(article).author),))
    assert seen(item)[2:] == ["┃ ben · 2m · article", "┃ The roof"]


def test_links_and_people_in_a_face_have_their_styles() -> None:
    lines = renderer().lines(view(event(11, f"see {PAGE}", ("title", "GM"))), 60, style)
    assert [line.plain[s.start : s.end] for line in lines[2:] for s in line.spans] == [
        "see ",
        PAGE,
    ]


def test_a_poll_shows_its_answers_its_end_and_how_it_stands() -> None:
    options = [("option", "a", "Yay"), ("option", "b", "Nay"), ("option", "a", "twice")]
    poll = event(1068, "Pineapple?", *options, ("endsAt", str(NOW + 7_200)))
    assert seen(view(poll))[1:] == [
        *("Pineapple?", "○ Yay", "○ Nay"),
        "one answer can be chosen · no votes here yet · ends in 2h",
    ]
    votes = [
        Draft(1018, "", (("e", poll.id), ("response", choice)), NOW).sign(SecretKey.generate(), NOW)
        for choice in "aab"
    ]
    stands = poll_view(poll, votes, me=votes[0].pubkey)
    assert seen(view(poll, poll=stands), 90)[2:] == [
        "● ███████░░░ 67% · 2 votes · Yay",
        "○ ███░░░░░░░ 33% · 1 vote · Nay",
        "one answer can be chosen · 3 people voted · ends in 2h",
    ]
    assert shown(1068, "?")[1:] == ["?", "a poll without answers"]
    over = shown(1068, "?", ("option", "a"), ("polltype", "multiplechoice"), ("endsAt", "1700"))
    assert "several answers can be chosen" in over[3]


def test_a_receipt_that_proves_nothing_is_not_believed() -> None:
    assert shown(9735, "", ("bolt11", "lnbc210u1x"), ("description", "{}"))[1] == (
        "a receipt for a zap whose parts do not agree: nothing is"
    )


def test_a_note_says_to_whom_its_zaps_go() -> None:
    ana, ben = "a" * 64, "b" * 64
    tags = (("zap", ana, "", "7"), ("zap", ben, "", "3"))
    note = Draft(1, "", tags).sign(SecretKey.generate(), 1)
    names = {ana: "Ana\x1b[2J", ben: "Ben"}
    words = shares_words(note, names.__getitem__)
    assert words.startswith("zaps go to Ana")
    assert words.endswith(" 70 %, Ben 30 %")
    assert words.isprintable()
    crowd = tuple(("zap", f"{n:064x}", "", "1") for n in range(8))
    shared = Draft(1, "", crowd).sign(SecretKey.generate(), 1)
    assert shares_words(shared, lambda _: "x").endswith(" and 3 more")
    assert shares_words(Draft(1, "", ()).sign(SecretKey.generate(), 1), lambda _: "x") == ""


def test_a_zap_says_whether_its_provider_vouches_for_it() -> None:
    paid = receipt(request(21_000, e="ab" * 32), "210n")
    assert seen(view(paid))[1] == "⚡ 21 sats from someone to someone, claimed"
    assert seen(view(paid, zap_checked=True))[1] == "⚡ 21 sats from someone to someone, checked"


def test_who_can_open_what_this_client_cannot() -> None:
    item = view(
        event(12_345, "", ("alt", "A chess game")),
        openers=(Opener("Chess\x1b[2J club", "https://chess.example/nevent1x"),),
    )
    assert seen(item)[3:] == [
        "Chess club says that it shows it:",
        "https://chess.example/nevent1x",
    ]
