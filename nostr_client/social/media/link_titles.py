"""What a web page calls itself: its title, for a link in a note.

The beginning of the page is read and no more, as text and no more: no script runs, nothing that it
names is fetched. The title is what a stranger says: whoever shows it says where it leads as well.
"""

from __future__ import annotations

import asyncio
import codecs
import html
import re
from collections.abc import Callable
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.net import http
from nostr_client.net.dial import DialOptions

MOST_BYTES: Final = 256 * 1024
"""Bytes of a page that are read: titles stand at its beginning."""
LIMIT: Final = 15.0
"""Seconds for a page."""
LONGEST: Final = 300
"""Characters of a title."""
AT_ONCE: Final = 2
_TITLE: Final = re.compile(r"<title(?:\s[^<>]{0,200})?>([^<]{0,2000})", re.IGNORECASE)
_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]{2,40})", re.IGNORECASE)


_CHARSETS: Final = re.compile(
    r"utf-8|ascii|utf-16(-[lb]e)?|iso8859-\d+|cp\d+|koi8-[rtu]|mac-[a-z]+|gb\w+|big5\w*|hz|"
    r"shift_jis\w*|euc_\w+|iso2022_\w+|johab|tis-620"
)
"""What pages are written in. Python knows more that is no charset, or takes hours (`punycode`)."""


class LinkTitles:
    """Fetches through `dial`; None: nothing is fetched."""

    def __init__(self, dial: Callable[[str], DialOptions] | None) -> None:
        self._dial = dial
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, url: str) -> str:
        """The title of the page at `url`; raw, empty where it has none.

        Raises InvalidData, also for what is no page or where nothing may be fetched; RelayError.
        """
        if self._dial is None:
            raise InvalidData("pages are not fetched: `media` is false in the settings")
        async with self._turns:
            answer = await http.get(
                url,
                self._dial(url),
                timeout=LIMIT,
                max_bytes=MOST_BYTES,
                accept="text/html, application/xhtml+xml",
                redirects=http.FILE_REDIRECTS,
                whole=False,
            )
        kind = answer.headers.get("content-type", "")
        if answer.status != 200 or "html" not in kind.lower():
            raise InvalidData(f"there is no page ({answer.status})")
        return await asyncio.to_thread(title_of, answer.body, kind)


def title_of(page: bytes, content_type: str = "") -> str:
    """The title in the beginning of a page; empty for none. The work grows with its length only."""
    said = _CHARSET.search(content_type.encode("latin-1", "replace"))
    said = said or _CHARSET.search(page, 0, 4096)
    charset = _charset(said[1].decode("ascii")) if said else "utf-8"
    text = page[:MOST_BYTES].decode(charset, "replace")
    found = _TITLE.search(text)
    return " ".join(html.unescape(found[1]).split())[:LONGEST] if found else ""


def _charset(name: str) -> str:
    """The one of this name, by Python's name for it; that of nearly every page where there is
    none."""
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    return found if _CHARSETS.fullmatch(found) else "utf-8"
