"""Banned words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from relays.policies import lookalikes
from relays.policies.banned_words import checked_word, found_in, narrow_word, pattern_of, plain
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


WAYS = {
    "itself": "casino",
    "upper case": "CASINO",
    "mixed case": "CaSiNo",
    "full width": "ｃａｓｉｎｏ",
    "mathematical bold": "𝐜𝐚𝐬𝐢𝐧𝐨",
    "mathematical script": "𝓬𝓪𝓼𝓲𝓷𝓸",
    "monospace": "𝚌𝚊𝚜𝚒𝚗𝚘",
    "fraktur": "𝔠𝔞𝔰𝔦𝔫𝔬",
    "in circles": "ⓒⓐⓢⓘⓝⓞ",
    "in squares": "🄲🄰🅂🄸🄽🄾",
    "in black squares": "🅲🅰🆂🅸🅽🅾",
    "in black circles": "🅒🅐🅢🅘🅝🅞",
    "as flags": "🇨🇦🇸🇮🇳🇴",
    "superscript": "ᶜᵃˢⁱⁿᵒ",
    "small capitals": "ᴄᴀꜱɪɴᴏ",
    "Cyrillic in it": "саѕіno",
    "one Cyrillic letter": "cаsino",
    "upper case Cyrillic": "САЅІNО",
    "Greek in it": "cαsιnο",
    "Armenian in it": "casinօ",
    "Cherokee in it": "Ꮯasino",
    "Lisu": "ꓚꓮꓢIꓠꓳ",
    "dotless": "casıno",
    "strokes and hooks": "ȼasɨnø",
    "accents": "çäśïñô",
    "accents as marks": "c\u0327a\u0308s\u0301i\u0308n\u0303o\u0302",
    "struck through": "c\u0336a\u0336s\u0336i\u0336n\u0336o\u0336",
    "nothing between": "ca\u200bsi\u200cno",
    "soft hyphens": "ca\u00adsi\u00adno",
    "joiners": "c\u200da\u2060s\u034fino",
    "direction marks": "\u202aca\u200esi\u061cno\u202c",
    "tag characters": "ca\U000e0061\U000e0062s\U000e0001ino",
    "variation selectors": "c\ufe0fa\ufe00s\ufe0eino",
    "further variation selectors": "c\U000e0100a\U000e01efsino",
    "fillers": "cas\u3164ino",
    "controls": "ca\x07si\x7fno",
    "JSON escapes": r'{"about":"\u0063\u0061sino"}',
    "JSON escapes of two": r'{"about":"\ud835\udc1c\ud835\udc1asino"}',
    "entities": "&#99;asi&#x6e;o",
    "parted": "c.a.s.i.n.o",
    "spaced": "come: c a  s i n o!",
    "in markup": "ca**si**no",
    "in tags of HTML": "ca<b>sino</b>",
    "digits": "c4s1n0",
    "signs": "ca$!no",
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_writing_a_word(way: str) -> None:
    assert found(f"the best {WAYS[way]} of all", "casino", "other")


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_writing_another(way: str) -> None:
    """What is looked through is the way, and not the word."""
    assert not found(f"the best {WAYS[way]} of all", "casinos", "other", "casin", "acasino")


@pytest.mark.parametrize("text", ["казино", "КАЗИНО", "кaзинo", "Kазино", "к.а.з.и.н.о"])
def test_ways_of_writing_a_word_of_another_script(text: str) -> None:
    assert found(f"лучшее {text}!", "казино")


@pytest.mark.parametrize(
    "text",
    ["I have 3 cats, 100% true!", "snake_case and 50 others", "a b c", "ἓν οἶδα", "ein Röslein"],
)
def test_ordinary_texts_are_none_of_it(text: str) -> None:
    assert not found(text, "ass", "so", "casino", "abcd", "rose")


@given(st.text(max_size=30))
def test_a_word_is_found_as_it_stands(text: str) -> None:
    try:
        word = checked_word(text)
    except InvalidData:
        return
    if re.fullmatch(r"\w{1,20}", word):
        assert found(f"so: {word}.", word)


@pytest.mark.parametrize(
    "piece",
    ["\ufdfa", "\ufdfb", "a\u0301", "㌖", "&", "&#99;", r"\u0061", "a ", "_", "a*", "<", "1a", "в"],
)
def test_what_is_compared_is_bounded(piece: str) -> None:
    """Whoever writes it must not make us read many times as much."""
    size = 3000
    assert len(plain(piece * size)) <= 8 * len(piece) * size


def test_a_long_number_in_an_entity() -> None:
    assert not found("&#" + "9" * 10_000 + ";", "casino")


@pytest.mark.parametrize("word", ["a", "of", "*e*", "a*", ".*", "c++*", "***", "x y", "赌", "e*"])
def test_what_would_stop_everybody_is_not_banned(word: str) -> None:
    if word == "c++*":
        assert narrow_word(word) == word
        return
    with pytest.raises(InvalidData):
        narrow_word(word)


@pytest.mark.parametrize("word", ["spa", "*coin", "赌博", "buy now", "4u2"])
def test_what_is_narrow_enough(word: str) -> None:
    assert narrow_word(word) == word


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
    for tag in (
        *(("content-warning", "bad"), ("subject", "a", "bad"), ("poll_option", "0", "bad")),
        *(("option", "x", "bad"), ("l", "bad", "ns"), ("emoji", "bad", "https://a.example")),
        *(("imeta", "url https://a.example", "alt a bad picture"), ("anything", "so bad")),
        ("p", "00" * 32, "", "bad"),
    ):
        assert found_in(note("", tags=(tag,)), pattern), tag
    for tag in (("e", "00" * 32, "bad"), ("relay", "bad"), ("image", "https://a.example/bad")):
        assert not found_in(note("", tags=(tag,)), pattern), tag
    assert not found_in(note("", tags=(("r", "bad"), ("title",), ("d", "bad"))), pattern)
    two = pattern_of(["bad one"])
    assert two is not None
    assert not found_in(note("so bad", tags=(("title", "one"),)), two)
    assert not found_in(note("bad", kind=1059), pattern)
    assert not found_in(note("bad?iv=x", kind=4), pattern)


def test_a_text_of_all_there_is_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    look = lookalikes._plainest

    def counted(char: str, table: dict[int, str]) -> str:
        looked.append(char)
        return look(char, table)

    monkeypatch.setattr(lookalikes, "_plainest", counted)
    lookalikes._latin.clear()
    text = "".join(map(chr, range(0x3400, 0xD7A4)))  # Han and Hangul
    for _ in range(3):
        assert lookalikes.latin(text).startswith("\u3400\u3401")
    assert len(looked) < 1000
