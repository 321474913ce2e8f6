"""The site: every page stands in its navigation, and what a browser fetches comes with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

import nostr_client
from docs import site_pages

pytestmark = pytest.mark.tree

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


class _Loader(yaml.SafeLoader):
    """Reads what mkdocs.yml has beside plain values, too."""


_Loader.add_multi_constructor("", lambda loader, suffix, node: None)


def navigation() -> list[str]:
    """The pages in mkdocs.yml, in order."""

    def pages(part: Any) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        for one in part.values() if isinstance(part, dict) else ():
            yield from pages(one)
        for one in part if isinstance(part, list) else ():
            yield from pages(one)

    return list(pages(yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), _Loader)["nav"]))


def test_every_page_is_in_the_navigation() -> None:
    in_docs = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    made = {on_site for name, on_site in site_pages.MOVED.items() if (ROOT / name).exists()}
    made |= {f"reference/{name}.md" for name in site_pages.reference()} | {"nips.md"}
    pages = navigation()
    missing = sorted((in_docs | made) - set(pages))
    assert not missing, (
        f"{', '.join(missing)}: no reader of the site gets there. Give each a line under `nav` in"
        " mkdocs.yml (guides under Guides, commands under Commands, what the relay does under"
        " Relay, pages of the reference under Library, the rest under More), and, if it lies in"
        " docs/, a link in README.md."
    )
    assert len(pages) == len(set(pages))
    assert set(pages) == in_docs | made


def test_every_public_name_is_in_the_reference() -> None:
    shown = {
        line.rpartition(".")[2]
        for text in site_pages.reference().values()
        for line in text.splitlines()
        if line.startswith(":::")
    }
    today = {nostr_client._FORMER.get(name, name) for name in nostr_client.__all__}
    assert today - {"__version__"} <= shown


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        (sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)),
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class _Fetched(HTMLParser):
    """What a browser fetches by itself to show a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "link" or "src" in given or "srcset" in given or tag in ("use", "image"):
            self.fetched += [
                given[n] for n in ("href", "src", "srcset", "xlink:href") if n in given
            ]


@pytest.mark.slow
def test_it_fetches_nothing_from_elsewhere_and_leads_nowhere_in_vain(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(navigation())  # ... and one for what is not there
    for page in pages:
        parser = _Fetched()
        parser.feed(page.read_text("utf-8"))
        assert parser.fetched
        is_lost = page.name == "404.html"  # shown at any address, so its own start at the top
        for target in parser.fetched + parser.links:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                assert target in parser.links, (page, target)
                assert parts.scheme in ("http", "https"), (page, target)
                continue
            here = site if is_lost else page.parent
            path = here / unquote(parts.path).lstrip("/") if parts.path else page
            assert is_lost or path.exists(), (page, target)
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", text), sheet


@pytest.mark.slow
def test_no_page_uses_what_its_scripts_would_fetch(site: Path) -> None:
    """The theme's script names two hosts: for diagrams, and for browsers of long ago."""
    for script in site.rglob("*.js"):
        found = re.findall(r"https?://[\w.]+/[\w@./-]*", script.read_text("utf-8"))
        fetched = {url for url in found if "unpkg.com" in url}
        assert {url.rsplit("/", 1)[-1] for url in fetched} <= {
            "mermaid.min.js",
            "resize-observer-polyfill",
        }, script
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert 'class="mermaid"' not in text, page
        assert "Content-Security-Policy" in text, page
