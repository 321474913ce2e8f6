"""Words of all languages, and searches however they are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.store import words
from tests.store.samples import NOW, author, make

ALICE = author(1)


def note(text: str) -> words.Event:
    return make(ALICE, 1, NOW, content=text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hello, World! it's 2026.", "hello world it s 2026"),
        ("Ça va? CAFÉ naïve Łódź İstanbul straße", "ca va cafe naive łodz istanbul strasse"),
        ("ﬁne ＦＵＬＬ ｶﾀ 𝐁𝐨𝐥𝐝 _snake_case_", "fine full カタ bold snake case"),
        ("Привет, ёлка! Ελλάδα", "привет елка ελλαδα"),
        ("שָׁלוֹם مُحَمَّد", "שלום محمد"),
        ("हिन्दी में। தமிழ்", "हिन्दी में தமிழ்"),
        ("東京。水", "東京 水 東 京"),
        ("日本語とnostr", "日本 本語 語と nostr 日 本 語"),
        ("한국어를 ภาษาไทย", "한국 국어 어를 ภา าษ ษา าไ ไท ทย"),
        ("🤙 👍🏽👍 ❤️", "🤙 👍 👍 ❤"),
        ("a" * 30 + " " + "b" * 24, "a" * 24 + " " + "b" * 24),
        ("\ud800 \x00 …", ""),
    ],
)
def test_words(text: str, found: str) -> None:
    assert words.words_of(note(text.encode("utf-8", "ignore").decode())) == found.split()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("world hello", "Hello, world"),
        ('"hello world"', "oh: Hello, world"),
        ("日本語", "これは日本語です"),
        ("水", "山と水と"),
        ("notes.example", "use wss://notes.example/ now"),
        ("cafe", "Café"),
        ("CAFÉ", "cafe"),
        ("ไทย", "ภาษาไทยง่าย"),
        ("language:en hello include:spam", "hello"),
        ("note: hello", "a note, hello"),
        ("https://x.example/a", "see https://x.example/a"),
        ("🤙", "gm🤙🏽"),
        ("hello " * 200, "hello"),
        ("x" * 1000, "x" * 900),
        ('"half quoted', "half a thing quoted"),
        ('NEAR(a b) AND "c" OR NOT -d* ^e {f} : (g', "near a b and c or not d e f g"),
    ],
)
def test_found(query: str, text: str) -> None:
    assert words.matches(query, note(text))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "hello"),
        (" \t\n", "hello"),
        ('"" \'"()*^:;-+', "hello"),
        ("language:en", "hello language en"),
        ('"world hello"', "Hello, world"),
        ("日本語", "日本の語"),
        ("hell", "hello"),
        ("notes.example", "example notes"),
    ],
)
def test_not_found(query: str, text: str) -> None:
    assert not words.matches(query, note(text))


def test_what_is_searched() -> None:
    profile = {"name": "Bob", "about": "likes tea", "nip05": "bob@nos.example", "picture": "http"}
    event = make(ALICE, 0, NOW, content=json.dumps(profile))
    assert words.words_of(event) == ["bob", "bob", "nos", "example", "likes", "tea"]
    for content in ("", "[]", "{", '{"name":1}', "[" * 5000):
        assert words.words_of(make(ALICE, 0, NOW, content=content)) == []
    article = make(ALICE, 30023, NOW, ("d", "x"), ("title", "On tea"), ("title",), content="Hot")
    assert words.words_of(article) == ["on", "tea", "hot"]
    for kind in (3, 4, 5, 7, 13, 14, 1059, 10002, 30078):
        assert words.words_of(make(ALICE, kind, NOW, content="secret")) == []


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    made = words._split(text)
    assert all(0 < len(word) <= 24 and not set(word) & set(" \"'*^():-_\0") for word in made)
    assert all(len(phrase) for phrase in words.phrases(text))
    whole = f'"{text}"'
    if made and '"' not in text and len(whole) < 400 and len(made) <= 24:
        assert words.matches(whole, note(text.encode("utf-8", "ignore").decode()))
