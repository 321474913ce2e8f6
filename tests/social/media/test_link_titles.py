"""What pages call themselves, whoever wrote them."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nostr_client.errors import InvalidData, NostrError
from nostr_client.net.dial import DialOptions
from nostr_client.social.media.link_titles import LONGEST, MOST_BYTES, LinkTitles, title_of
from tests.social.media.blossom_host import LOCAL, blossom_host


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>Roofs &amp; more</title>", "Roofs & more"),
        ("<html><head><meta charset=utf-8><TITLE lang=de>\n Dächer\t hier </TITLE>", "Dächer hier"),
        ("<titles>no</titles><title>yes</title>", "yes"),
        ("<title>cut", "cut"),
        ("<title></title><title>second</title>", ""),
        ("no markup", ""),
        (f"<title>{'x' * 5000}</title>", "x" * LONGEST),
    ],
)
def test_a_title(page: str, title: str) -> None:
    assert title_of(page.encode()) == title


def test_charsets() -> None:
    page = "<title>Dächer</title>"
    assert title_of(page.encode("latin-1"), "text/html; charset=ISO-8859-1") == "Dächer"
    assert title_of(b"<meta charset='windows-1252'>" + page.encode("cp1252")) == "Dächer"
    for known in ("shift_jis", "euc-kr", "gb18030", "big5", "koi8-r", "utf-16", "iso-2022-jp"):
        cyrillic = "<title>Ж</title>".encode(known)
        assert title_of(cyrillic, f"text/html; charset={known}") == "Ж"
    for unknown in ("nothing-like-it", "punycode", "idna", "unicode_escape", "hex", "undefined"):
        assert title_of(page.encode(), f"text/html; charset={unknown}") == "Dächer"


@settings(max_examples=60)
@given(st.text("<>!/-[]\"'=&; tileTITLEbody", max_size=200))
def test_whatever_a_page_says(page: str) -> None:
    assert len(title_of(page.encode())) <= LONGEST


@pytest.mark.parametrize(
    "piece", [b"<title ", b"<title>", b"<title>&#x", b"charset=", b"charset=punycode a-bcd9"]
)
def test_the_work_is_bounded(piece: bytes) -> None:
    start = time.process_time()
    title_of(piece * (MOST_BYTES // len(piece)))
    assert time.process_time() - start < 2


async def test_only_the_beginning_of_a_page_is_read() -> None:
    def page(method: str, path: str, body: bytes) -> bytes:
        kind = "image/png" if path == "/x.png" else "text/html; charset=utf-8"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: 99999999\r\n\r\n"
        return head.encode() + b"<title>Roofs</title>" + b"..."

    async with blossom_host() as host:
        host.instead = page
        assert await LinkTitles(lambda url: LOCAL).get(f"{host.url}/page") == "Roofs"
        with pytest.raises(InvalidData, match="no page"):
            await LinkTitles(lambda url: LOCAL).get(f"{host.url}/x.png")
        count = len(host.requests)
        for titles in (LinkTitles(None), LinkTitles(lambda url: DialOptions(proxy=None))):
            with pytest.raises(NostrError):
                await titles.get(f"{host.url}/page")
        with contextlib.suppress(NostrError):
            await LinkTitles(lambda url: DialOptions(proxy=None)).get("https://10.0.0.1/")
        assert len(host.requests) == count
