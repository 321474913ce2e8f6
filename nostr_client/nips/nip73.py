"""What is not on Nostr and has a name that all share: web pages, books, papers, places (NIP-73)."""

from __future__ import annotations

import re
from typing import Final

WEB: Final = "web"
MAX_ID: Final = 2_000
"""Characters of an identifier; what is longer names nothing."""
_WORDS: Final = (
    ("isbn:", "isbn", "the book ISBN "),
    ("geo:", "geo", "the place "),
    ("iso3166:", "iso3166", "the country "),
    ("isan:", "isan", "the film ISAN "),
    ("doi:", "doi", "the paper DOI "),
    ("podcast:item:guid:", "podcast:item:guid", "the podcast episode "),
    ("podcast:publisher:guid:", "podcast:publisher:guid", "the podcast publisher "),
    ("podcast:guid:", "podcast:guid", "the podcast "),
)
_CHAIN: Final = re.compile(r"([a-z][a-z0-9-]{1,31}):(?:\d{1,20}:)?(tx|address):.")
_PAGE: Final = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)


def is_page(identifier: str) -> bool:
    """Is it the address of a web page?"""
    return _PAGE.match(identifier) is not None


def kind_of(identifier: str) -> str:
    """What the `k` tag beside it says; "" for what the NIP does not know."""
    if is_page(identifier):
        return WEB
    if identifier.startswith("#"):
        return "#"
    for prefix, kind, _ in _WORDS:
        if identifier.startswith(prefix):
            return kind
    chain = _CHAIN.match(identifier)
    return f"{chain[1]}:{chain[2]}" if chain else ""


def in_words(identifier: str) -> str:
    """What it names, for people: `the book ISBN 9780765382030`. As raw as the identifier."""
    if not identifier or is_page(identifier):
        return identifier
    if identifier.startswith("#"):
        return f"the hashtag {identifier}"
    for prefix, _, words in _WORDS:
        if identifier.startswith(prefix):
            return words + identifier.removeprefix(prefix)
    if chain := _CHAIN.match(identifier):
        what = "transaction" if chain[2] == "tx" else "address"
        return f"the {chain[1]} {what} {identifier.rpartition(':')[2]}"
    return identifier
