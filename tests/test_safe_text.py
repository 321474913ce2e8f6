"""What a stranger's text may do to a terminal: nothing."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from nostr_client.safe_text import (
    HIDDEN_KEY,
    cells,
    first_lines,
    normalized,
    safe_line,
    safe_text,
)
from tests.vectors import needs_vectors, real_events

ESC = "\x1b"

ORDINARY = {
    "Latin": "Zażółć gęślą jaźń, ÅÄÖ; naïve façade — “quoted” … 50 €",
    "Vietnamese, decomposed": unicodedata.normalize("NFD", "Tiếng Việt dễ thương, những"),
    "IPA": "[ˈnɒstə] ʰ t͡ʃ ɔ̃ː ŋ̊ ə̯",
    "Greek": "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία",
    "Cyrillic": "Съешь же ещё этих мягких французских булок; й҃",
    "Armenian": "Բոլոր մարդիկ ծնվում են ազատ",
    "Hebrew": "כָּל בְּנֵי הָאָדָם נוֹלְדוּ, בְּרֵאשִׁ֖ית",
    "Arabic": "يولد جميع الناس أحراراً، ﷽ بِسْمِ ٱللَّهِ ۝١",
    "Persian": "می‌خواهم کتاب‌ها را بخوانم",
    "Urdu": "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر",
    "Syriac": "ܒܪܫܝܬ ܐܝܬܘܗܝ ܗܘܐ ܡܠܬܐ",
    "Thaana": "ހުރިހާ އިންސާނުންވެސް އުފަންވަނީ",
    "NKo": "ߒߞߏ ߦߋ߫ ߛߓߍߛߎ߲ ߠߋ߬ ߘߌ߫",
    "Adlam": "𞤀𞤣𞤤𞤢𞤥 𞤆𞤵𞤤𞤢𞤪",
    "Ethiopic": "ሰው ሁሉ እኩል ነው፡፡",
    "Devanagari": "सभी मनुष्यों को गौरव; क्‍ष र्‍य श्‌र",
    "Bengali": "সমস্ত মানুষ স্বাধীনভাবে সমান র‍্যাব",
    "Gurmukhi": "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ",
    "Gujarati": "પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ",
    "Odia": "ସବୁ ମନୁଷ୍ୟ ଜନ୍ମକାଳରୁ ସ୍ୱାଧୀନ",
    "Tamil": "மனிதப் பிறிவியினர் ஸ்ரீ க்ஷ",
    "Telugu": "ప్రతిపత్తిస్వత్వముల విషయమున",
    "Kannada": "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿ ರ‍್ಯ",
    "Malayalam": "മനുഷ്യരെല്ലാവരും ജനിച്ചു ന്‍ കാര്‍",
    "Sinhala": "සියලු මනුෂ්‍යයෝ ශ්‍රී ලංකා",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระ น้ำ ก็",
    "Thai with breaks": "มนุษย์\u200bทั้งหลาย\u200bเกิดมา",
    "Lao": "ມະນຸດທຸກຄົນເກີດມາມີສິດ",
    "Khmer": "មនុស្ស\u200bទាំងអស់ កើតមក មានសេរីភាព ស្ត្រី",
    "Myanmar": "လူတိုင်းသည် တူညီလွတ်လပ်သော မြွှာ ၎င်း",
    "Tibetan": "འགྲོ་བ་མིའི་རིགས་རྒྱུད། ཧྐྵྨླྺྼྻྂ",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი ᲥᲐ",
    "Korean": "모든 인간은 태어날 때부터 자유로우며",
    "Korean, decomposed": unicodedata.normalize("NFD", "모든 인간은"),
    "Japanese": "すべての人間は、生まれながらにして自由で ﾊﾝｶｸ ｶﾞ か゚",
    "Japanese, decomposed": unicodedata.normalize("NFD", "がぎぐげご パピプペポ"),
    "Japanese names": "葛󠄀城市 辻󠄁 邊󠄆",
    "Chinese": "人人生而自由，在尊嚴和權利上一律平等。𠮷𡘙",
    "Bopomofo": "ㄖㄣˊ ㄖㄣˊ ㄕㄥ",
    "Yi": "ꊿꂷꃅꄿꐨ",
    "Mongolian": "ᠬᠦᠮᠦᠨ ᠪᠦᠷ ᠲᠥᠷᠥᠵᠦ ᠮᠠᠯ᠎ᠠ ᠪᠣᠯᠤᠭᠰᠠᠨ ᠳ᠋ᠤ",
    "Cherokee": "ᏂᎦᏓ ᎠᏂᏴᏫ ᏂᎨᎫᏓᎸᎾ",
    "Inuktitut": "ᐃᓄᓕᒫᑦ ᐊᓂᖅᑎᕆᔪᓕᒫᑦ",
    "Javanese": "ꦱꦧꦼꦤ꧀ꦮꦺꦴꦁ",
    "Balinese": "ᬲᬓᬮ ᬚᬦ᭄ᬫ",
    "Sundanese": "ᮞᮊᮥᮙ᮪ᮔ",
    "Tai Tham": "ᨠᩥ᩠ᨶ ᨡᩮᩢᩣ",
    "Ol Chiki": "ᱡᱚᱛᱚ ᱦᱚᱲ",
    "Meetei Mayek": "ꯃꯤꯑꯣꯏꯕ",
    "Chakma": "𑄇𑄧𑄃𑄴𑄌𑄴",
    "Brahmi": "𑀩𑁆𑀭𑀸𑀳𑁆𑀫𑀻",
    "Tifinagh": "ⵉⵎⴷⴰⵏⵏ ⴰⴽⴽⵯ",
    "Vai": "ꕉꕜꕮ ꔔꘋ",
    "Gothic": "𐌰𐍄𐍄𐌰 𐌿𐌽𐍃𐌰𐍂",
    "Runic": "ᚠᛇᚻ ᛒᛦᚦ ᚠᚱᚩᚠᚢᚱ",
    "Ogham": "᚛ᚑᚅᚑᚏᚐᚁᚂᚓ᚜",
    "Cuneiform": "𒀭𒊩𒌆",
    "Hieroglyphs": "𓀀𓂀𓆣",
    "Braille": "⠓⠑⠇⠇⠕⠀⠺",
    "Mathematics": "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, 𝔘𝔫𝔦, x⃗, ≨︀, 0︀",
    "Boxes and blocks": "┌─┐ ░▒▓█ ▁▂▃ ⣿⣷",
    "Emoji": "😀 👍🏽 ❤️ ☺️ ✔︎ ©️ 1️⃣ #️⃣ 🇩🇪🇯🇵 ㊗️ 〰️",
    "Emoji, joined": "👨‍👩‍👧‍👦 🧑🏿‍❤️‍💋‍🧑🏻 🏳️‍🌈 🏴‍☠️ 🕵🏽‍♂️ 👩🏾‍🚀 🐻‍❄️ ❤️‍🔥",
    "Emoji, flags in tags": "🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏴󠁧󠁢󠁷󠁬󠁳󠁿",
    "Icons of private use": "\ue0b0 \uf09b \U000f0001",
    "Spaces": "a b\u00a0c\u2009d\u3000e\u202ff",
    "Lines": "one\n\n\ttwo  three \n",
    "Markup": "[@click=app.quit]x[/] <b>**not** ours</b> \\[bold]",
}


def test_ordinary_text_is_unchanged() -> None:
    assert {name: safe_text(text) for name, text in ORDINARY.items()} == ORDINARY


@needs_vectors
def test_real_notes_keep_all_but_what_nobody_sees() -> None:
    import json

    unchanged = total = 0
    for line in real_events():
        content = json.loads(line)["content"]
        total += 1
        unchanged += safe_text(content) == content
    assert unchanged > 0.97 * total


HOSTILE = [
    # the sequence, what is to be left of "a" + sequence + "b"
    (f"{ESC}[31m", "ab"),
    (f"{ESC}[2J{ESC}[H", "ab"),
    (f"{ESC}[?1049h", "ab"),
    (f"{ESC}[38;2;1;2;3m", "ab"),
    (f"{ESC}[ q", "ab"),
    (f"{ESC}[>0;1c", "ab"),
    ("\x9b2J", "ab"),
    (f"{ESC}]0;owned\x07", "ab"),
    (f"{ESC}]2;owned{ESC}\\", "ab"),
    (f"{ESC}]52;c;ZXZpbA==\x07", "ab"),
    ("\x9d52;c;ZXZpbA==\x9c", "ab"),
    (f"{ESC}]8;;http://evil.example{ESC}\\", "ab"),
    (f"{ESC}]1337;File=inline=1:AAAA\x07", "ab"),
    (f"{ESC}Pq#0;2;0;0;0~{ESC}\\", "ab"),
    ("\x90tmux;x\x9c", "ab"),
    (f"{ESC}_Gf=100;AAAA{ESC}\\", "ab"),
    (f"{ESC}^private{ESC}\\", "ab"),
    (f"{ESC}Xstring{ESC}\\", "ab"),
    (f"{ESC}c", "ab"),
    (f"{ESC}7{ESC}8", "ab"),
    (f"{ESC}(0", "ab"),
    (f"{ESC}#8", "ab"),
    (f"{ESC} F", "ab"),
    (f"{ESC}%G", "ab"),
    (f"{ESC}Oé", "aéb"),
    (f"{ESC}\x18", "ab"),
    (f"{ESC}{ESC}{ESC}[A", "ab"),
    (f"{ESC}é", "aéb"),
    (f"{ESC}]0;never ended", "a0;never endedb"),
    (f"{ESC}[31\u00e9", "a31éb"),
    (f"{ESC}Ptmux;{ESC}{ESC}]52;c;AAAA\x07{ESC}\\", "atmux;b"),
    ("\x00\x01\x02\x05\x07\x08\x0e\x0f\x10\x1a\x7f", "ab"),
    ("\x80\x81\x88\x8d\x96\x9a\x9c", "ab"),
    ("\r\n", "a\nb"),
    ("\r", "a\nb"),
    ("\x0b", "a\nb"),
    ("\x0c", "a\nb"),
    ("\x85", "a\nb"),
    ("\u2028\u2029", "a\n\nb"),
    ("\u202e\u202d\u202a\u202b\u202c", "ab"),
    ("\u2066\u2067\u2068\u2069", "ab"),
    ("\u200e\u200f\u061c", "ab"),
    ("\u200b\u200c\u200d\u2060\ufeff", "ab"),
    ("\u00ad\u034f\u180e\u2061\u2064\u206a\u206f", "ab"),
    ("\u115f\u1160\u3164\uffa0\u17b4\u17b5", "ab"),
    ("\ufff9hidden\ufffabehind\ufffb", "ahiddenbehindb"),
    ("\U000e0001\U000e0041\U000e007f", "ab"),
    ("\U000e0100\ufe0f\ufe00", "ab"),
    ("\U000e0fff\u2065\ufff0", "ab"),
    ("\U0001d173\U0001bca0\U00013430", "ab"),
    ("\U0001f3f4\U000e0068\U000e0069\U000e007f", "a\U0001f3f4b"),
    ("\U0001f600" + "\ufe0f" * 50, "a\U0001f600\ufe0fb"),
    ("\u0915" + "\u200d" * 50, "a\u0915\u200db"),
    ("1\u200d2\u200d3", "a123b"),
    ("\U0001f469\u200d!", "a\U0001f469!b"),
    ("\U0001f469\u200d" * 9 + "\U0001f469", None),
    ("\ud800", "a\ufffdb"),
    ("\udfff\ud800", "a\ufffd\ufffdb"),
    ("\U0010eeee\u0305", "a\ufffd\u0305b"),
    ("\uffff\ufdd0\U0001fffe", "a\ufffd\ufffd\ufffdb"),
]


@pytest.mark.parametrize(("hostile", "left"), HOSTILE)
def test_what_a_terminal_would_obey_is_gone(hostile: str, left: str | None) -> None:
    shown = safe_text(f"a{hostile}b")
    if left is not None:
        assert shown == left
    assert_safe(shown)


PLANES = range(0, 0x110000, 0x10000)


@pytest.mark.parametrize(
    "starts",
    [
        pytest.param([*range(0, 0x20000, 0x1000), *PLANES[2:], 0x10F000], id="letters and marks"),
        pytest.param(range(0x20000, 0x110000, 0x1000), id="the rest", marks=pytest.mark.slow),
    ],
)
def test_every_character_beside_ordinary_ones(starts: Sequence[int]) -> None:
    """Each code point there is, alone: what comes out is safe, and safe again."""
    for start in starts:
        block = " a ".join(map(chr, range(start, start + 0x1000)))
        shown = safe_text(block)
        assert_safe(shown)
        assert safe_text(shown) == shown


def test_a_flood_of_marks_is_bounded() -> None:
    assert safe_text("a" + "\u0301" * 1000 + "b") == "a" + "\u0301" * 4 + "b"
    assert safe_text("ก" + "\u0e47" * 1000) == "ก" + "\u0e47" * 10
    assert safe_text("\u0915" + "\u094d\u200d" * 1000 + "x") == "\u0915" + "\u094d\u200d" * 5 + "x"
    assert safe_text("\U00011013" + "\U00011046" * 99) == "\U00011013" + "\U00011046" * 10
    assert len(safe_text("e\u0301\u0e47" * 3 + "\u20dd\u1dd8\ufe20" * 100)) < 25


def test_no_mark_leans_on_text_before_ours() -> None:
    assert safe_text("\u0301a\n\u20e3b\t\u0e47") == "\u25cc\u0301a\n\u25cc\u20e3b\t\u25cc\u0e47"
    assert safe_text("\x1b[0m\u0301") == "\u25cc\u0301"
    assert safe_text("\u200b\u0301") == "\u25cc\u0301"
    assert safe_text("\U00011046") == "\u25cc\U00011046"


def test_joined_emoji_are_bounded() -> None:
    shown = safe_text("\U0001f469" + "\u200d\U0001f469" * 1000)
    assert "\u200d\U0001f469" * 5 not in shown
    assert shown.count("\U0001f469") == 1001


NASTY = st.text(
    st.sampled_from(
        "ab1#\n\t\r \x1b\x07\x9b\x9c\x9d\x90[]P\\;m?\u0301\u0302\u0e01\u0e47\u0915\u094d\u200b"
        "\u200c\u200d\u180e\u180b\u1820\ufe00\ufe0e\ufe0f\u20e3\u202e\u2066\u2028\ufeff\u3164\u25cc"
        "\u4e00\U0001f469\U0001f3fb\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e007f"
        "\U000e0100\u2764\U00011013\U00011046\ud800\udc00\uffff\u00e9\u1000\u064b\u0627\u05d0"
    ),
    max_size=40,
)


def assert_safe(text: str) -> None:
    for char in text:
        category = unicodedata.category(char)
        assert category not in ("Cs", "Zl", "Zp"), hex(ord(char))
        assert category != "Cc" or char in "\n\t", hex(ord(char))
        assert (
            char not in "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        )
    text.encode()


@given(st.text() | NASTY)
@example("a\ufe0f\u200d\U0001f469")
@example("\U0001f469\ufe0f\ufe0f\u200d\U0001f469")
def test_the_result_is_safe_and_safe_again_is_the_same(text: str) -> None:
    shown = safe_text(text)
    assert_safe(shown)
    assert safe_text(shown) == shown
    line = safe_line(text)
    assert_safe(line)
    assert safe_line(line) == line
    assert "\n" not in line
    assert "\t" not in line


@given(NASTY, NASTY)
def test_two_safe_texts_one_after_the_other_do_not_join_into_a_sequence(a: str, b: str) -> None:
    assert_safe(safe_text(a) + safe_text(b))
    assert cells(safe_line(a) + "|" + safe_line(b)) >= 1


@given(st.text() | NASTY, st.integers(1, 30))
@example("क्षि क्षि", 3)
@example("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 5)
@example("❤️❤️❤️", 3)
def test_a_line_keeps_to_its_limit(text: str, limit: int) -> None:
    whole = safe_line(text)
    line = safe_line(text, limit)
    assert cells(line) <= limit
    assert cell_len(line) <= limit
    if cells(whole) <= limit:
        assert line == whole
    else:
        assert line.endswith("…")
        assert whole.startswith(line[:-1])
        assert not line[:-1].endswith(("\u200d", " "))


def test_lines() -> None:
    assert safe_line("  two\n\n\twords  \n") == "two words"
    assert safe_line("abcdef", 6) == "abcdef"
    assert safe_line("abcdef", 5) == "abcd…"
    assert safe_line("漢字漢字", 8) == "漢字漢字"
    assert safe_line("漢字漢字", 7) == "漢字漢…"
    assert safe_line("漢字漢字", 6) == "漢字…"
    assert safe_line("漢字", 1) == "…"
    assert safe_line("e\u0301" * 3, 2) == "e\u0301…"
    assert safe_line("", 1) == ""
    assert safe_line("ab cd", 4) == "ab…"
    assert safe_line("\u3000\u2800\xa0\n\u2003") == "", "a name of blanks is none"
    assert safe_line(" \u0e47") == "\u25cc\u0e47"


def test_widths_are_no_less_than_those_of_the_screen() -> None:
    lines = {name: safe_line(text) for name, text in ORDINARY.items()}
    assert not [name for name, line in lines.items() if cells(line) < cell_len(line)]


FLOODS = {
    "plain": "a" * 300_000,
    "cyrillic": "я" * 150_000,
    "escapes": ESC * 300_000,
    "titles never ended": f"{ESC}]0;" * 75_000,
    "C1 titles never ended": "\x9d" * 150_000,
    "parameters never ended": f"{ESC}[" + "1;" * 150_000,
    "intermediates never ended": ESC + " " * 300_000,
    "one title": f"{ESC}]0;" + "x" * 300_000 + "\x07",
    "marks": "a" + "\u0301" * 150_000,
    "marks by fives": ("a" + "\u0301" * 5) * 30_000,
    "joiners": "\U0001f469\u200d" * 50_000,
    "zero widths": "\u200b" * 100_000,
    "selectors": "a\ufe0f" * 75_000,
    "overrides": "\u202e" * 100_000,
    "marks on nothing": "\n\u0301" * 100_000,
    "high marks": "\U00011013\U00011046" * 40_000,
    "everything": "".join(map(chr, range(0x20, 0x12000))),
    "blanks": " \n" * 150_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_third_of_a_megabyte_of_anything_is_quick(name: str) -> None:
    started = time.process_time()
    safe_text(FLOODS[name])
    assert time.process_time() - started < 2, "it takes some 0.1 s; a quadratic one ten and more"
    started = time.process_time()
    safe_line(FLOODS[name], 80)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("form", ["NFC", "NFKC", "NFD", "NFKD"])
@given(text=st.text(max_size=31))
def test_normalized_is_what_unicode_says(form: Any, text: str) -> None:
    assert normalized(form, text) == unicodedata.normalize(form, text)
    assert normalized(form, text + " x" * 40) == unicodedata.normalize(form, text + " x" * 40)


def test_whatever_becomes_a_mark_parts_a_long_run() -> None:
    from nostr_client.safe_text import _RUN

    for code in range(0x110000):
        parts = unicodedata.normalize("NFKD", chr(code)) if not 0xD800 <= code < 0xE000 else "x"
        if unicodedata.combining(parts[0]) and unicodedata.combining(parts[-1]):
            assert _RUN.fullmatch(chr(code) * 32), hex(code)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0730\u0731", "\u0301\uff9e"])
def test_marks_without_end_are_put_in_order_in_little_time(marks: str) -> None:
    # Without a bound the work is a thousand times as much, a minute; so any clock will do.
    text = "a" + marks * 50_000
    started = time.process_time()
    assert len(normalized("NFKC", text)) >= 99_000
    assert time.process_time() - started < 5


NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
"""NIP-19's own example."""


@pytest.mark.parametrize(
    "spelt",
    [
        NSEC,
        NSEC.upper(),
        f"{NSEC[:30]}\n{NSEC[30:]}",
        " ".join(NSEC),
        "\u200b".join(NSEC),
        "\u0301".join(NSEC),
        "-".join(NSEC[i : i + 4] for i in range(0, 63, 4)),
        "".join(chr(ord(c) + 0xFEE0) for c in NSEC),
        "".join(chr(0x1D41A + ord(c) - 97) if c.isalpha() else c for c in NSEC),
        f"\x1b[1m{NSEC[:9]}\x1b[0m{NSEC[9:]}",
        NSEC[:40],
        f"{NSEC[:40]}…",
    ],
)
def test_a_secret_key_is_hidden_however_it_is_written(spelt: str) -> None:
    for text in (spelt, f"é my key: {spelt} — is it safe?", f"nostr:{spelt}, {spelt}"):
        shown = safe_text(text)
        assert HIDDEN_KEY in shown
        assert "mgpsped" not in safe_text("".join(c for c in shown if c.isalnum())).lower()
        assert safe_text(shown) == shown
    assert HIDDEN_KEY in first_lines(f"look: {spelt} {'x' * 400}")[0]


def test_what_only_begins_like_a_secret_key_is_shown() -> None:
    for text in (
        "nsec1",
        "An nsec1 is no npub1, and nsec1… says nothing; nsec1 keys let whoever has them act as you",
        "n s e c 1 " + "ordinary words follow, many of them, in a long sentence " * 9,
        NSEC[:20],
        NSEC.replace("nsec", "npub"),
        "0" * 64,
    ):
        assert safe_text(text) == text


def test_looking_for_keys_is_quick_in_hostile_text() -> None:
    for text in ("n" * 300_000, "nsec1 " * 50_000, "n s e c " * 40_000, f"{NSEC[:62]}b" * 4_000):
        begun = time.process_time()
        safe_text(text)
        assert time.process_time() - begun < 1
