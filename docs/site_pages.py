"""A hook of MkDocs: pages of the repository's top folder become pages of the site.

README.md is its first page, and the table of NIPs in it a page of its own; so each thing stands in
one place. Links are turned to where their targets are on the site. What a page links to and is no
page (packaging/) is copied beside them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
MOVED: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages that do not lie in docs/, and what they are called on the site."""
NIPS: Final = re.compile(r"^## Where each NIP lives\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"(\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Bring in what lies elsewhere."""
    from mkdocs.structure.files import File

    for name, on_site in MOVED.items():
        text = (ROOT / name).read_text("utf-8")
        if name == "README.md":
            [table] = NIPS.findall(text)
            nips = f"# Where each NIP lives\n{table}"
            files.append(File.generated(config, "nips.md", content=_turned(nips, ROOT)))
            text = NIPS.sub("", text).replace("(#where-each-nip-lives)", "(docs/nips.md)")
        files.append(File.generated(config, on_site, content=_turned(text, ROOT)))
    for file in sorted((ROOT / "packaging").iterdir()):
        if file.is_file():
            path = f"packaging/{file.name}"
            files.append(File.generated(config, path, abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page of docs/ that lead out of it."""
    source = page.file.abs_src_path
    return markdown if source is None else _turned(markdown, Path(source).parent)


def _turned(text: str, folder: Path) -> str:
    """The links of a page in `folder`, as they are on the site."""
    depth = "../" * len(folder.relative_to(ROOT / "docs").parts) if folder != ROOT else ""

    def turn(found: re.Match[str]) -> str:
        target = (folder / found[2]).resolve()
        if not target.is_relative_to(ROOT):
            return found[0]
        inside = target.relative_to(ROOT).as_posix()
        if folder != ROOT and inside.startswith("docs/"):
            return found[0]
        return f"{found[1]}{depth}{MOVED.get(inside, inside.removeprefix('docs/'))}"

    return LINK.sub(turn, text)
