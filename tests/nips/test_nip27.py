"""A note's text in its parts."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.nips import nip19
from nostr_client.nips.nip27 import (
    MAX_MENTIONS,
    HashtagPart,
    MentionPart,
    Part,
    TextPart,
    UrlPart,
    parts,
)
from tests.vectors import needs_vectors, real_events

KEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
NPUB = nip19.encode_npub(KEY)
NOTE = nip19.encode_note(KEY)
NEVENT = nip19.encode_nevent(KEY, ["wss://relay.example"], KEY, 1)
NADDR = nip19.encode_naddr(30023, KEY, "title")
NPROFILE = nip19.encode_nprofile(KEY, ["wss://relay.example"])
NSEC = nip19.encode_nsec("67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa")


def shown(part: Part) -> str:
    """The kind of a part and its text, the short way."""
    kind = {TextPart: "", UrlPart: "url ", MentionPart: "mention ", HashtagPart: "tag "}[type(part)]
    return kind + part.text


def marked(content: str) -> list[str]:
    found = parts(content)
    assert "".join(part.text for part in found) == content
    return [shown(part) for part in found if not isinstance(part, TextPart)]


def test_all_of_them_in_one_text() -> None:
    content = f"gm nostr:{NPUB}, see https://a.example/x?y#z and #nostr!"
    found = parts(content)
    assert found == (
        TextPart("gm "),
        MentionPart(f"nostr:{NPUB}", nip19.Npub(KEY)),
        TextPart(", see "),
        UrlPart("https://a.example/x?y#z"),
        TextPart(" and "),
        HashtagPart("#nostr"),
        TextPart("!"),
    )
    assert (found[3].url, found[5].tag) == ("https://a.example/x?y#z", "nostr")
    assert parts("") == ()
    assert parts("just words") == (TextPart("just words"),)


@pytest.mark.parametrize(
    ("content", "mentions"),
    [
        (f"nostr:{NPUB}", [f"nostr:{NPUB}"]),
        (f"(nostr:{NOTE})", [f"nostr:{NOTE}"]),
        (f"nostr:{NEVENT}.", [f"nostr:{NEVENT}"]),
        (f"nostr:{NADDR}'s", [f"nostr:{NADDR}"]),
        (f"NOSTR:{NPROFILE}\n", [f"NOSTR:{NPROFILE}"]),
        (f"@{NPUB}", [f"@{NPUB}"]),
        (f"@nostr:{NPUB}", [f"nostr:{NPUB}"]),
        (f"nostr:{NPUB}nostr:{NOTE}", [f"nostr:{NPUB}", f"nostr:{NOTE}"][:1]),
        (f"nostr:{NPUB} nostr:{NPUB}", [f"nostr:{NPUB}"] * 2),
        (f"nostr:{NPUB}hello", [f"nostr:{NPUB}"]),
        (f"漢nostr:{NPUB}字", [f"nostr:{NPUB}"]),
        (NPUB, []),
        (f"xnostr:{NPUB}", []),
        (f"nostr:{NPUB[:-1]}q", []),
        (f"nostr:{NPUB.upper()}", []),
        (f"nostr: {NPUB}", []),
        (f"nostr:{NSEC}", []),
        (f"@{NSEC}", []),
        ("nostr:npub1", []),
        ("nostr:nevent1" + "q" * 6000, []),
    ],
)
def test_mentions(content: str, mentions: list[str]) -> None:
    assert marked(content) == [f"mention {text}" for text in mentions]


@pytest.mark.parametrize(
    ("content", "urls"),
    [
        ("https://a.example", ["https://a.example"]),
        ("HTTP://A.example/", ["HTTP://A.example/"]),
        ("wss://relay.example/inbox", ["wss://relay.example/inbox"]),
        ("see https://a.example.", ["https://a.example"]),
        ("https://a.example/x, https://b.example/y!?", ["https://a.example/x", "https://b.example/y"]),
        ("(https://a.example/x)", ["https://a.example/x"]),
        ("(see https://a.example/x_(y))", ["https://a.example/x_(y)"]),
        ("[text](https://a.example/x)...", ["https://a.example/x"]),
        ("<https://a.example>", ["https://a.example"]),
        ('"https://a.example/it\'s"', ["https://a.example/it's"]),
        ("'https://a.example'", ["https://a.example"]),
        ("**https://a.example**", ["https://a.example"]),
        ("https://a.example/path,with;all:of~them=1&b=2%20#frag", [
            "https://a.example/path,with;all:of~them=1&b=2%20#frag"]),
        ("https://例え.example/道。次", ["https://例え.example/道"]),
        ("見https://a.example/x（注）", ["https://a.example/x"]),
        ("https://a.example/\u202egnp.exe", ["https://a.example/"]),
        ("https://a.example\x1b[2J", ["https://a.example"]),
        ("https://a.example https://", ["https://a.example"]),
        ("https:///x https://?x https://... https://)", []),
        ("xhttps://a.example", []),
        ("ftp://a.example javascript:alert(1) data:text/html,x file:///etc/passwd", []),
        (f"https://njump.example/{NPUB}#tag", [f"https://njump.example/{NPUB}#tag"]),
        (f"https://njump.example/nostr:{NPUB}", [f"https://njump.example/nostr:{NPUB}"]),
    ],
)  # fmt: skip
def test_links(content: str, urls: list[str]) -> None:
    assert marked(content) == [f"url {url}" for url in urls]


@pytest.mark.parametrize(
    ("content", "tags"),
    [
        ("#nostr", ["nostr"]),
        ("#nostr, #Bitcoin. (#asknostr) #a_b #x1", ["nostr", "Bitcoin", "asknostr", "a_b", "x1"]),
        ("#a-b", ["a"]),
        ("#हिन्दी। #ไทย #می‌خواهم، #日本語。 #ñandú #ελληνικά", [
            "हिन्दी", "ไทย", "می‌خواهم", "日本語", "ñandú", "ελληνικά"]),
        ("#🔥", ["🔥"]),
        ("a#b c##d &#39; /#x", []),
        ("# heading #", []),
        ("#1 of #2021", []),
        ("#2021a", ["2021a"]),
        ("#[0]", []),
        ("#" + "a" * 100, ["a" * 100]),
        ("#" + "a" * 101, []),
        ("#a\u202eb #\u200b", ["a"]),
    ],
)  # fmt: skip
def test_hashtags(content: str, tags: list[str]) -> None:
    assert marked(content) == [f"tag #{tag}" for tag in tags]


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            (
                *(
                    f"nostr:{NPUB}",
                    f"@{NPUB}",
                    f"nostr:{NEVENT}",
                    f"nostr:{NPUB[:-1]}q",
                    "#tag",
                    "#",
                ),
                *("https://a.b/c", "@", "nostr:", "://", "(", ")", ".", " ", "\n", "é", "\ud800"),
            )
        )
    ).map("".join)
)
def test_the_parts_are_the_whole(content: str) -> None:
    found = parts(content)
    assert "".join(part.text for part in found) == content
    assert all(part.text for part in found)
    kinds = [type(part) for part in found]
    assert (TextPart, TextPart) not in itertools.pairwise(kinds)


@needs_vectors
def test_real_notes() -> None:
    kinds = dict.fromkeys((TextPart, UrlPart, MentionPart, HashtagPart), 0)
    for line in real_events():
        content = json.loads(line)["content"]
        found = parts(content)
        assert "".join(part.text for part in found) == content
        for part in found:
            kinds[type(part)] += 1
    assert all(count > 20 for count in kinds.values()), kinds


FLOODS = {
    "words": "word " * 200_000,
    "hashes": "#" * 1_000_000,
    "long hashtags": ("#" + "a" * 101) * 10_000,
    "one long hashtag": "#" + "a" * 1_000_000,
    "schemes": "https://" * 125_000,
    "brackets after a link": "https://a.b/" + ")" * 1_000_000,
    "full stops after a link": "https://a.b/" + "." * 1_000_000,
    "brackets in a link": "https://a.b/" + "()" * 500_000,
    "codes": f"nostr:{NPUB} " * 14_000,
    "forged codes": f"nostr:{NPUB[:-1]}q " * 14_000,
    "long forged codes": ("nostr:nevent1" + "q" * 4980 + " ") * 200,
    "one long forged code": "nostr:nevent1" + "q" * 1_000_000,
    "beginnings": "nostr:nevent1" * 77_000,
    "at signs": "@" * 1_000_000,
    "short codes": f"@{NPUB[:40]}" * 24_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_megabyte_of_anything_is_quick(name: str) -> None:
    started = time.process_time()
    found = parts(FLOODS[name])
    assert time.process_time() - started < 2, "it takes some 0.1 s; a quadratic one takes minutes"
    assert sum(len(part.text) for part in found) == len(FLOODS[name])


def test_so_many_codes_are_read_and_the_rest_is_text() -> None:
    found = parts(f"nostr:{NPUB} " * 5000)
    assert sum(isinstance(part, MentionPart) for part in found) == MAX_MENTIONS
    assert isinstance(found[-1], TextPart)


def test_so_many_characters_of_codes_are_read_however_long_each_is() -> None:
    started = time.process_time()
    found = parts("".join(f"nostr:nevent1{letter * 4980} " for letter in "qpzry9x8gf2tvdw0" * 20))
    assert time.process_time() - started < 2
    assert all(isinstance(part, TextPart) for part in found)
