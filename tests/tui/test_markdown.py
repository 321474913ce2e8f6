"""Markdown as articles have it: its blocks and pieces, and how long reading takes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.tui.markdown import MOST_BLOCKS, Block, Piece, blocks, pieces

BROKEN = "on Saturday." + "  "  # two blanks at its end break a line
ARTICLE = f"""\
# The roof

We mended the roof
{BROKEN}
All of it.

## What it took ##
- ladders
  - two long ones
- bread
1. first
> Never again,
> said the roof.
***
```python
# no heading
print("x")
```
<b onclick="x">raw</b>
"""


def test_blocks() -> None:
    assert blocks(ARTICLE) == [
        Block("heading", "The roof", 1),
        Block("text", "We mended the roof on Saturday.\nAll of it."),
        Block("heading", "What it took", 2),
        Block("item", "ladders", 0, "•"),
        Block("item", "two long ones", 1, "•"),
        Block("item", "bread", 0, "•"),
        Block("item", "first", 0, "1."),
        Block("quote", "Never again, said the roof."),
        Block("rule"),
        Block("code", '# no heading\nprint("x")'),
        Block("text", '<b onclick="x">raw</b>'),
    ]


def test_pieces() -> None:
    text = "so **bold** and *thin*, `x*y*`, [a](https://b.example/(c)) ![d](e) <https://f.example>"
    assert [piece for piece in pieces(text) if piece.form != "text"] == [
        Piece("strong", "bold"),
        Piece("emphasis", "thin"),
        Piece("code", "x*y*"),
        Piece("link", "a", "https://b.example/(c)"),
        Piece("picture", "d", "e"),
        Piece("link", "https://f.example", "https://f.example"),
    ]
    assert pieces("snake_case_word and 2 * 3 * 4") == [
        Piece("text", "snake_case_word and 2 * 3 * 4")
    ]


@given(st.text(alphabet="#*_`[]()!<>~-+1. \t\nab\\", max_size=200))
def test_nothing_of_a_text_is_lost(text: str) -> None:
    kept = "".join(block.text + block.mark for block in blocks(text))
    assert sorted(c for c in kept if c in "ab") == sorted(c for c in text if c in "ab") or (
        "`" in text or "~" in text  # what stands behind a fence is the name of a language
    )


@pytest.mark.parametrize(
    "hostile",
    [
        *("[" * 60_000, "`" * 60_000, "*a" * 30_000, "**a" * 20_000, "[a](" * 15_000),
        *(
            "a\n" * 30_000,
            "> a\n" * 15_000,
            "[](x" * 15_000,
            "> " * 30_000,
            "- " * 30_000,
            "_ " * 30_000,
            "a\n\n" * 20_000,
        ),
        *("```\n" * 15_000, "<https://" * 20_000, "![" * 30_000, "[a](x(" * 30_000),
    ],
)
def test_hostile_texts_are_read_in_a_time_that_grows_with_their_length(hostile: str) -> None:
    begun = time.process_time()
    found = blocks(hostile)
    for block in found:
        pieces(block.text)
    assert time.process_time() - begun < 3, "it takes a tenth of a second"
    assert len(found) <= MOST_BLOCKS + 1
