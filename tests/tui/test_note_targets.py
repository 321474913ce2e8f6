"""What a note points to."""

from __future__ import annotations

import pytest

from nostr_client.nips import nip19, nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.views import NoteView, Profile, Quote
from nostr_client.tui.note_targets import MOST, Pointed, code_of, targets_in, web_target
from nostr_client.tui.targets import (
    AddressTarget,
    NoteTarget,
    PersonTarget,
    RelayTarget,
    TagTarget,
    Target,
    WebTarget,
    target_of_event,
)

KEY = SecretKey.generate()
ME = KEY.public_key.hex
OTHER = SecretKey.generate().public_key.hex
ID = "ab" * 32


def targets(content: str, *tags: tuple[str, ...]) -> list[Target]:
    event = Draft(1, content, tags, 1_700_000_000).sign(KEY, 1_700_000_000)
    view = NoteView(event, event, Profile(ME), nip27.parts(event.content))
    return [pointed.target for pointed in targets_in(view, lambda pubkey: "ben")]


def test_everything_in_reading_order_and_once() -> None:
    npub, nevent = nip19.encode_npub(OTHER), nip19.encode_nevent(ID, ["wss://a.example"], OTHER)
    naddr = nip19.encode_naddr(30023, OTHER, "essay")
    found = targets(
        f"nostr:{npub} #Library https://a.example/x nostr:{nevent} nostr:{naddr} #library",
        ("t", "library"),
        ("r", "https://a.example/x"),
        ("r", "wss://b.example"),
        ("imeta", "url https://c.example/p.jpg", "m image/jpeg"),
    )
    assert found == [
        PersonTarget(OTHER),
        TagTarget("library"),
        WebTarget("https://a.example/x"),
        NoteTarget(ID),
        AddressTarget(f"30023:{OTHER}:essay"),
        RelayTarget("wss://b.example"),
        WebTarget("https://c.example/p.jpg"),
    ]


def test_a_quoted_article_opens_as_one_and_a_list_as_its_feed() -> None:
    note, *others = (
        Draft(kind, "x", (("d", "roof"),), 1).sign(KEY, 1)
        for kind in (1, kinds.ARTICLE, kinds.STARTER_PACK)
    )
    assert target_of_event(note) == NoteTarget(note.id)
    assert [target_of_event(event) for event in others] == [
        AddressTarget(f"30023:{ME}:roof"),
        AddressTarget(f"39089:{ME}:roof"),
    ]
    quotes = (Quote(others[0].id, others[0], Profile(OTHER, name="ben")),)
    view = NoteView(note, note, Profile(ME), quotes=quotes)
    assert Pointed("text", "ben: x", AddressTarget(f"30023:{ME}:roof")) in targets_in(view, str)
    assert AddressTarget(f"39089:{ME}:roof").is_feed
    assert not any(AddressTarget(bad).is_feed for bad in ("30023:a:b", "x", "", "²:a:b"))


def test_hostile_tags_are_passed_over_and_a_thousand_are_not_listed() -> None:
    assert targets("", ("r",), ("t", ""), ("imeta",), ("r", "ws://"), ("r", "javascript:x")) == []
    assert len(targets("", *(("t", f"x{n}") for n in range(1000)))) == MOST


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a\x1b]0;x", "file:///etc/passwd", "https://a b", "-x"]
)
def test_only_pages_go_to_a_browser(url: str) -> None:
    assert web_target(url) is None


def test_a_target_has_a_code_that_leads_back() -> None:
    for target in (PersonTarget(OTHER), NoteTarget(ID, ("wss://a.example",), OTHER)):
        assert nip19.decode(code_of(target))
    assert code_of(TagTarget("x")) == "#x"
    for address in (
        "30023:a",
        ":",
        "",
        f"x:{ME}:y",
        f"{'9' * 5000}:{ME}:",
        f"30023:{ME}:{'é' * 300}",
    ):
        hostile = AddressTarget(address)
        assert (code_of(hostile), hostile.is_feed) == (address, False)
