"""A hook of MkDocs: pages that do not lie in docs/ become pages of the site.

README.md is its first page, and the table of NIPs in it a page of its own; so each thing stands in
one place. Links are turned to where their targets are on the site. What a page links to and is no
page (packaging/) is copied beside them. The reference names what `nostr_client` offers, and
mkdocstrings writes it out of the docstrings.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nostr_client

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
MOVED: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
}
"""Pages that do not lie in docs/, where they are there, and what they are called on the site."""
REFERENCE: Final = {
    "client": ("The client", ("client", "version", "core_dumps")),
    "events": ("Events, keys and signers", ("protocol", "nips", "signing")),
    "relays": ("Relays, and what they answered", ("net", "routing", "resilience")),
    "store": ("The store", ("store",)),
    "accounts": ("Accounts and settings", ("accounts", "config", "paths")),
    "views": ("What is shown", ("social",)),
    "errors": ("Errors", ("errors",)),
}
"""Pages of the reference: their titles, and the rooms whose public names they hold."""
OPTIONS_OF: Final = {"blocking": "    options: {members: [], inherited_members: false}\n"}
"""What `blocking` offers is the rest of the reference once more."""
WHOLE_ROOMS: Final = {"blocking": "Without async", "bots": "Bots", "testing": "For tests"}
"""Public rooms with a page of their own, where they are there."""
NIPS: Final = re.compile(r"^## Where each NIP lives\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"(\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Bring in what lies elsewhere."""
    from mkdocs.structure.files import File

    for name, text in reference().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    for name, on_site in MOVED.items():
        if not (ROOT / name).exists():
            continue
        text = (ROOT / name).read_text("utf-8")
        if name == "README.md":
            [table] = NIPS.findall(text)
            nips = f"# Where each NIP lives\n{table}"
            files.append(File.generated(config, "nips.md", content=_turned(nips, ROOT)))
            text = NIPS.sub("", text).replace("(#where-each-nip-lives)", "(docs/nips.md)")
        text = _turned(text, (ROOT / name).parent)
        files.append(File.generated(config, on_site, content=text))
    for file in sorted((ROOT / "packaging").iterdir()):
        if file.is_file():
            path = f"packaging/{file.name}"
            files.append(File.generated(config, path, abs_src_path=str(file)))
    return files


def reference() -> dict[str, str]:
    """The pages of the reference, by name; every public name stands on one of them."""
    pages: dict[str, list[str]] = {page: [] for page in REFERENCE}
    of_room = {room: page for page, (_, rooms) in REFERENCE.items() for room in rooms}
    names = sorted(nostr_client._HOMES.items(), key=lambda item: (item[0] != "NostrClient", *item))
    for name, home in names:
        if name in nostr_client._FORMER:
            continue  # what it is called today is there
        module = f"nostr_client.{home}"
        pages[of_room[home.partition(".")[0]]].append(f"::: {module}.{name}")
    written = {
        page: f"# {REFERENCE[page][0]}\n\n" + "\n\n".join(entries) + "\n"
        for page, entries in pages.items()
    }
    for room, title in WHOLE_ROOMS.items():
        if importlib.util.find_spec(f"nostr_client.{room}") is not None:
            written[room] = f"# {title}\n\n::: nostr_client.{room}\n{OPTIONS_OF.get(room, '')}"
    return written


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page of docs/ that lead out of it."""
    source = page.file.abs_src_path
    return markdown if source is None else _turned(markdown, Path(source).parent)


def _turned(text: str, folder: Path) -> str:
    """The links of a page in `folder`, as they are on the site."""
    in_docs = folder.is_relative_to(ROOT / "docs")
    depth = "../" * len(folder.relative_to(ROOT / "docs").parts) if in_docs else ""

    def turn(found: re.Match[str]) -> str:
        target = (folder / found[2]).resolve()
        if not target.is_relative_to(ROOT):
            return found[0]
        inside = target.relative_to(ROOT).as_posix()
        if in_docs and inside.startswith("docs/"):
            return found[0]
        return f"{found[1]}{depth}{MOVED.get(inside, inside.removeprefix('docs/'))}"

    return LINK.sub(turn, text)
