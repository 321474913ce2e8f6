"""What is offered while a word is typed, and names that stand for keys."""

from __future__ import annotations

import pytest

from nostr_client.nips import nip19
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.completion import Vocabulary, emoji_tags, is_emoji
from nostr_client.social.draft_text import DraftText
from nostr_client.social.views import Profile
from nostr_client.tui.completing import MentionNames, offers, typed_in


def person(number: int, name: str, **more: str) -> Profile:
    key = SecretKey(bytes([number]) * 32).public_key.hex
    return Profile(key, name=name, **more)  # type: ignore[arg-type]


ANA, ANDERS, DIANA, BEN = (
    person(1, "Ana Noor"),
    person(2, "anders"),
    person(3, "Diana An"),
    person(4, "Ben", nip05="ant@hill.example"),
)
CAT = ("emoji", "cat", "https://pictures.example/cat.png")
KNOWN = Vocabulary(
    people=(BEN, DIANA, ANDERS, ANA),
    followed=2,
    hashtags=("library", "lib", "roof"),
    emoji={"cat": CAT, "cactus": ("emoji", "cactus", "https://pictures.example/c.png")},
)


@pytest.mark.parametrize(
    ("before", "typed"),
    [
        ("@an", ("@", "an", 0)),
        ("see (#li", ("#", "li", 5)),
        ("so :ca", (":", "ca", 3)),
        ("mail ana@an", None),
        ("12:30", None),
        ("@", None),
        ("@an ", None),
        ("@" + "a" * 41, None),
    ],
)
def test_the_word_that_is_being_typed(before: str, typed: tuple[str, str, int] | None) -> None:
    assert typed_in(before) == typed


def named(word: str) -> list[str]:
    typed = typed_in(word)
    assert typed is not None
    return [offer.text for offer in offers(typed, KNOWN)]


def test_people_who_are_followed_come_first_then_how_well_it_fits() -> None:
    assert named("@AN") == ["@Diana An", "@Ben", "@anders", "@Ana Noor"]
    assert named("@noor") == ["@Ana Noor"]
    assert named("@zoe") == []
    typed = typed_in("@ben")
    assert typed is not None
    assert offers(typed, KNOWN)[0].beside == f"{BEN.short_npub}  you follow"


def test_hashtags_and_own_emoji() -> None:
    assert named("#li") == ["#library", "#lib"]
    assert named("#lib") == ["#library"], "what stands there already is not offered"
    assert named(":ca") == [":cat:", ":cactus:"]
    assert emoji_tags("a :cat: and a :cat:, :dog:", KNOWN) == (CAT,)
    assert not is_emoji(("emoji", "cat", "http://plain.example/x.png"))
    assert not is_emoji(("emoji", "two words", "https://a.example/x.png"))


def test_a_name_stands_for_a_key_until_it_is_kept() -> None:
    names = MentionNames()
    ana, other = f"nostr:{ANA.npub}", f"nostr:{person(9, 'Ana').npub}"
    first, second = names.name("Ana", ana), names.name("Ana", other)
    noor = names.name("Ana Noor", f"nostr:{BEN.npub}")
    assert (first, second, names.name("Ana", ana)) == ("@Ana", "@Ana2", "@Ana")
    text = f"{first}, {second} and {noor}: x@Ana @Anatol"
    kept = names.kept(text)
    assert kept == f"{ana}, {other} and nostr:{BEN.npub}: x@Ana @Anatol"
    assert names.named(text) == 3
    again = MentionNames()
    labels = {ANA.pubkey: "Ana", BEN.pubkey: "Ana Noor"}
    shown = again.shown(kept, lambda pubkey: labels.get(pubkey, ""))
    assert shown == f"@Ana, {other} and @Ana Noor: x@Ana @Anatol"
    assert again.kept(shown) == kept


def test_a_code_with_relays_comes_back_as_it_was() -> None:
    code = f"nostr:{nip19.encode_nprofile(ANA.pubkey, ['wss://a.example'])}"
    names = MentionNames()
    assert names.kept(names.shown(f"to {code}!", lambda _: "Ana")) == f"to {code}!"


@pytest.mark.parametrize(
    "draft", [DraftText("two\nlines"), DraftText("text", ""), DraftText("text\n", "medical, long")]
)
def test_a_warning_and_its_text_lie_in_one_file(draft: DraftText) -> None:
    assert DraftText.of(str(draft)) == draft
