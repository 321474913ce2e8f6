"""Markdown as articles have it (NIP-23), cut into blocks and pieces. Pure.

It is read for the screen of a terminal, so a part of the language is enough: headings, paragraphs,
lists, quotes, code, rules; in them emphasis, code, links and pictures. Whatever else stands there,
HTML above all, is text like any other. The work grows with the length of the text only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

MOST_CHARACTERS: Final = 200_000
"""Characters of an article that are laid out."""
MOST_BLOCKS: Final = 5_000
MOST_DEEP: Final = 6
BlockForm = Literal["heading", "text", "item", "quote", "code", "rule", "cut"]
PieceForm = Literal["text", "strong", "emphasis", "code", "link", "picture"]


class Block(NamedTuple):
    """`level` of a heading is 1 to 6, of an item how deep it stands; `mark` is what stands before
    an item. The text of code has its line breaks, that of all others none but wanted ones."""

    form: BlockForm
    text: str = ""
    level: int = 0
    mark: str = ""


class Piece(NamedTuple):
    """A part of a block. `target` is where a link or a picture really leads."""

    form: PieceForm
    text: str
    target: str = ""


_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)(.*)")
_RULE: Final = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM: Final = re.compile(r"([ \t]{0,40})([-*+]|\d{1,9}[.)])[ \t]+(.*)")
_QUOTE: Final = re.compile(r" {0,3}>[ \t]?(.*)")
_CLOSING: Final = re.compile(r"[ \t]#{1,6}[ \t]*$")
_INLINE: Final = re.compile(
    r"(?P<code>`{1,3})(?P<inner>[^`]{1,1000})(?P=code)"
    r"|(?P<picture>!?)\[(?P<label>[^\[\]]{0,500})\]\("
    r"(?P<target>[^()\s<>]{1,2000}(?:\([^()\s<>]{0,300}\)[^()\s<>]{0,300})?)"
    r"(?:[ \t]{1,5}\"[^\"]{0,300}\")?\)"
    r"|<(?P<bare>https?://[^\s<>]{1,2000})>"
    r"|(?P<strong>\*\*|__)(?=[^\s*_])(?P<bold>[^*_\[\]]{1,1000})(?P=strong)"
    r"|(?<![\w*])(?P<mark>[*_])(?=[^\s*_])(?P<slanted>[^*_\[\]]{1,1000})(?P=mark)(?!\w)"
)


def blocks(text: str) -> list[Block]:
    """The blocks of an article; where it is very long, of its beginning, and a last one says so."""
    found: list[Block] = []
    for block in _blocks(text[:MOST_CHARACTERS].splitlines()):
        if len(found) == MOST_BLOCKS:
            break
        found.append(block)
    if len(text) > MOST_CHARACTERS or len(found) == MOST_BLOCKS:
        found.append(Block("cut"))
    return found


def pieces(text: str) -> list[Piece]:
    """The pieces of a block's text, in order."""
    found: list[Piece] = []
    end = 0
    for match in _INLINE.finditer(text):
        if match.start() > end:
            found.append(Piece("text", text[end : match.start()]))
        found.append(_piece(match))
        end = match.end()
    if end < len(text):
        found.append(Piece("text", text[end:]))
    return found


def _piece(match: re.Match[str]) -> Piece:
    if match["code"]:
        return Piece("code", match["inner"])
    if match["target"]:
        return Piece("picture" if match["picture"] else "link", match["label"], match["target"])
    if match["bare"]:
        return Piece("link", match["bare"], match["bare"])
    if match["strong"]:
        return Piece("strong", match["bold"])
    return Piece("emphasis", match["slanted"])


def _blocks(lines: list[str]) -> Iterator[Block]:
    begun: list[Block] = []
    """What the next line may go on with: the lines of a paragraph, an item, a quote."""
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        fence = _FENCE.match(line)
        block = None if fence else _begun_by(line)
        if begun and not (block and _goes_on(begun[0], block)):
            yield _joined(begun)
            begun = []
        if fence:
            end = _end_of_code(lines, at, fence[1])
            yield Block("code", "\n".join(lines[at:end]))
            at = end + 1
        elif block and block.form in ("heading", "rule"):
            yield block
        elif block:
            begun.append(block)
    if begun:
        yield _joined(begun)


def _begun_by(line: str) -> Block | None:
    """What a line begins, taken by itself; None for a blank one."""
    if not line.strip():
        return None
    if heading := _HEADING.match(line):
        return Block("heading", _CLOSING.sub("", heading[2]).strip(), len(heading[1]))
    if _RULE.match(line):
        return Block("rule")
    if item := _ITEM.match(line):
        depth = min(len(item[1].expandtabs(4)) // 2, MOST_DEEP)
        return Block("item", item[3], depth, "•" if item[2] in "-*+" else item[2])
    if quote := _QUOTE.match(line):
        return Block("quote", quote[1])
    broken = line.endswith(("  ", "\\"))
    return Block("text", line.strip(" \t").removesuffix("\\") + ("\n" if broken else ""))


def _goes_on(before: Block, block: Block) -> bool:
    """Does `block` go on with the one before it?"""
    if before.form == "quote":
        return block.form == "quote"
    return before.form in ("text", "item") and block.form == "text"


def _joined(begun: list[Block]) -> Block:
    """One block of its lines: broken where that was wanted, and with blanks between the others."""
    texts: list[str] = []
    for block in begun:
        if texts and not texts[-1].endswith("\n"):
            texts.append(" " if block.text else "\n")
        texts.append(block.text)
    return begun[0]._replace(text="".join(texts))


def _end_of_code(lines: list[str], start: int, fence: str) -> int:
    for at in range(start, len(lines)):
        line = lines[at].strip()
        if line.startswith(fence) and not line.strip(fence[0]):
            return at
    return len(lines)
