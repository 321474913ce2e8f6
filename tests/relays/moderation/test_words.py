"""Banned words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from relays.moderation.words import checked_word, found_in, pattern_of, plain
from tests.relays.talk import note


def found(text: str, *words: str) -> bool:
    pattern = pattern_of(checked_word(word) for word in words)
    return pattern is not None and pattern.search(plain(text)) is not None


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("viagra", "Buy VIAGRA!"),
        ("viagra", "ｖｉａｇｒａ"),
        ("viagra", "vi\u200bag\u00adra"),
        ("buy now", "buy \n  now"),
        ("Straße", "STRASSE 5"),
        ("赌博", "我喜欢赌博的人"),
        ("*coin", "shitcoin"),
        ("crypto*", "cryptocurrency"),
        ("*free*", "carefreely"),
        ("c++", "I like C++."),
        (".*", "a.b"),
        ("казино", "Казино онлайн"),
    ],
)
def test_found(word: str, text: str) -> None:
    assert found(text, "other", word, "words")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("cunt", "Scunthorpe"),
        ("ass", "class assignment"),
        ("coin", "bitcoin"),
        ("*coin", "coinage"),
        ("buy now", "buy it now"),
        ("a.b", "axb"),
        ("viagra", ""),
    ],
)
def test_not_found(word: str, text: str) -> None:
    assert not found(text, "other", word, "words")


@pytest.mark.parametrize("word", ["", " ", "*", "* *", "\u200b", "x" * 101, "a\x07b", "\ud800"])
def test_words_that_are_none(word: str) -> None:
    with pytest.raises(InvalidData):
        checked_word(word)


def test_no_words() -> None:
    assert pattern_of([]) is None


@given(
    st.lists(st.text("ab .*", min_size=1, max_size=4).filter(lambda w: w.strip("* ")), max_size=6),
    st.text("abc .", max_size=20),
)
def test_many_words_at_once_are_as_each_alone(words: list[str], text: str) -> None:
    assert found(text, *words) == any(_alone(checked_word(word), plain(text)) for word in words)


def _alone(word: str, text: str) -> bool:
    inner = word.strip("*").strip()
    start = r"(?<!\w)" if not word.startswith("*") and inner[0].isalnum() else ""
    end = r"(?!\w)" if not word.endswith("*") and inner[-1].isalnum() else ""
    middle = re.sub(r"(\\ )+", r"\\s+", re.escape(inner))
    return re.search(start + middle + end, text) is not None


def test_where_words_are_looked_for() -> None:
    pattern = pattern_of(["bad"])
    assert pattern is not None
    assert found_in(note("a bad one"), pattern)
    assert found_in(note("", tags=(("title", "a Bad one"),)), pattern)
    assert not found_in(note("", tags=(("r", "bad"), ("title",), ("d", "bad"))), pattern)
    assert not found_in(note("bad", kind=1059), pattern)
    assert not found_in(note("bad?iv=x", kind=4), pattern)
