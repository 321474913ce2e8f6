"""Comments: what they are about, and what their tags say."""

from __future__ import annotations

import pytest

from nostr_client.nips import nip10, nip22
from nostr_client.nips.nip22 import Scope
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

KEY = SecretKey.generate()
ME = KEY.public_key.hex
ID, OTHER = "a1" * 32, "b2" * 32
PAGE = "https://abc.example/articles/1"


def event(kind: int, *tags: tuple[str, ...]) -> Event:
    return Draft(kind, "text", tags, 1_700_000_000).sign(KEY, 0)


def comment(*tags: tuple[str, ...]) -> Event:
    return event(1111, *tags)


def test_a_comment_says_what_it_is_about() -> None:
    address = f"30023:{ME}:a:b"
    found = nip22.scopes(
        comment(
            ("A", address, "wss://r.example"),
            ("K", "30023"),
            ("e", ID, "", OTHER),
            ("k", "1111"),
        )
    )
    assert found.root == Scope("", address, "", "30023", "wss://r.example", ME)
    assert found.parent == Scope(ID, "", "", "1111", "", OTHER)
    page = nip22.scopes(comment(("I", PAGE), ("i", PAGE), ("k", "web"))).root
    assert page is not None
    assert (page.external, page.kind, page.key) == (PAGE, "web", PAGE)


@pytest.mark.parametrize(
    "tag",
    [
        *(("E",), ("E", ""), ("E", ID.upper()), ("E", "x" * 64), ("A", "1:2:3"), ("I", "")),
        *(("A", f"1:{ME}:x"), ("A", f"99999999999:{ME}:x"), ("I", "x" * 3_000), ("EA", ID)),
        ("A", f"\u0663\u0660:{ME}:x"),
        ("A", f"\u0663\u0660\u0660\u0662\u0663:{ME}:x"),
    ],
)
def test_what_names_nothing_is_passed_over(tag: tuple[str, ...]) -> None:
    assert nip22.scopes(comment(tag)).root is None
    good = nip22.scopes(comment(tag, ("E", ID))).root
    assert good is not None
    assert good.id == ID


def test_a_comment_on_a_comment_on_a_page_stays_on_the_page() -> None:
    first = comment(("I", PAGE, "https://hint.example"), ("i", PAGE), ("k", "web"))
    assert nip22.comment_tags(first, "wss://r.example") == (
        ("I", PAGE, "https://hint.example"),
        ("K", "web"),
        ("e", first.id, nip10.public_hint("wss://r.example"), ME),
        ("k", "1111"),
        ("p", ME),
    )


def test_a_comment_that_says_nothing_of_its_root_is_one() -> None:
    tags = nip22.comment_tags(comment())
    assert [tag[0] for tag in tags] == ["E", "K", "P", "e", "k", "p"]


def test_a_stranger_s_hint_into_the_private_network_goes_no_further() -> None:
    first = comment(("E", ID, "ws://192.168.1.1"), ("K", "20"), ("P", OTHER))
    assert nip22.comment_tags(first)[0] == ("E", ID, "", OTHER)
