"""The picture and the tables of docs/architecture.md, made from the imports: `make architecture`.

A room is a folder or a file at the top of a package. An arrow is drawn where no longer way leads to
the same room, so that the picture can be read; the tables name all.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from tests.architecture import (
    FLOORS_OF_PACKAGE,
    PACKAGES,
    ROOT,
    Sources,
    imports_of,
    inside,
    real_sources,
    room_of,
)

TEXT: Final = ROOT / "docs" / "architecture.md"
PICTURE: Final = ROOT / "docs" / "architecture.svg"

Rooms = Mapping[str, Sequence[str]]
"""Each room of a package, and the rooms of the same package that it imports from."""


def rooms_of(package: str, sources: Sources) -> dict[str, list[str]]:
    """The rooms that stand, and what each uses."""
    floors = FLOORS_OF_PACKAGE[package]
    uses: dict[str, set[str]] = {
        room_of(module): set() for module in sources if inside(module, package)
    }
    for one in imports_of(sources):
        if inside(one.importer, package) and inside(one.target, package):
            uses[room_of(one.importer)].add(room_of(one.target))
    uses.pop("", None)
    return {
        room: sorted(used - {room, ""}, key=lambda one: (-floors[one], one))
        for room, used in sorted(uses.items(), key=lambda item: (-floors[item[0]], item[0]))
    }


def purpose(package: str, room: str, sources: Sources) -> str:
    """The first sentence of the room's own docstring."""
    text = ast.get_docstring(ast.parse(sources[f"{package}.{room}"])) or ""
    return re.split(r"(?<=\.)\s", " ".join(text.split()))[0].rstrip(".")


def table(package: str, sources: Sources) -> str:
    """The rooms of `package` in Markdown, from the top floor down."""
    lines = ["| floor | room | what it is for | uses |", "| --- | --- | --- | --- |"]
    for room, used in rooms_of(package, sources).items():
        name = f"`{room}/`" if (ROOT / package / room).is_dir() else f"`{room}.py`"
        floor = FLOORS_OF_PACKAGE[package][room]
        what = purpose(package, room, sources)
        lines.append(f"| {floor} | {name} | {what} | {', '.join(used)} |")
    return "\n".join(lines)


def nearest(rooms: Rooms) -> dict[str, list[str]]:
    """The arrows without those that a longer way makes superfluous."""
    reached: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in reached:
            reached[room] = set(rooms[room]).union(*(reach(one) for one in rooms[room]))
        return reached[room]

    return {
        room: [one for one in used if not any(one in reach(other) for other in used)]
        for room, used in rooms.items()
    }


# The picture

_ROW: Final = 92
_HIGH: Final = 58
_GAP: Final = 12
_WIDTHS: Final = {"nostr_client": 980, "relays": 640}
_LINE: Final = 5.6
"""Pixels that a letter takes, about."""


class Box(NamedTuple):
    x: float
    y: float
    width: float
    name: str
    what: str


def boxes_of(package: str, left: float, sources: Sources) -> dict[str, Box]:
    """Where each room of `package` is drawn, floor over floor."""
    floors = FLOORS_OF_PACKAGE[package]
    rooms = rooms_of(package, sources)
    on_floor: dict[int, list[str]] = {}
    for room in rooms:
        on_floor.setdefault(floors[room], []).append(room)
    boxes: dict[str, Box] = {}
    for row, (_, names) in enumerate(sorted(on_floor.items(), reverse=True)):
        each = min(300.0, (_WIDTHS[package] - _GAP * (len(names) - 1)) / len(names))
        start = left + (_WIDTHS[package] - each * len(names) - _GAP * (len(names) - 1)) / 2
        for n, room in enumerate(names):
            folder = "/" if (ROOT / package / room).is_dir() else ".py"
            what = purpose(package, room, sources)
            boxes[room] = Box(start + n * (each + _GAP), 60 + row * _ROW, each, room + folder, what)
    return boxes


def _box(box: Box) -> str:
    fits = int((box.width - 16) / _LINE)
    words = textwrap.wrap(box.what.replace("`", ""), fits, max_lines=2, placeholder=" …")
    middle = f"{box.x + box.width / 2:.1f}"
    lines = "".join(
        f'<text x="{middle}" y="{box.y + 34 + 13 * n}" class="what">{escape(line)}</text>'
        for n, line in enumerate(words)
    )
    return (
        f'<rect x="{box.x:.1f}" y="{box.y}" width="{box.width:.1f}" height="{_HIGH}" rx="6"/>'
        f'<text x="{middle}" y="{box.y + 18}" class="name">{escape(box.name)}</text>{lines}'
    )


def _arrow(upper: Box, lower: Box) -> str:
    x1, y1 = upper.x + upper.width / 2, upper.y + _HIGH
    x2, y2 = lower.x + lower.width / 2, lower.y - 3
    bend = (y2 - y1) / 2
    return (
        f'<path d="M{x1:.1f} {y1} C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} '
        f'{x2:.1f} {y2}"/>'
    )


def _package(package: str, left: float, sources: Sources) -> Iterable[str]:
    boxes = boxes_of(package, left, sources)
    for room, used in nearest(rooms_of(package, sources)).items():
        for one in used:
            yield _arrow(boxes[room], boxes[one])
    yield from map(_box, boxes.values())
    middle = left + _WIDTHS[package] / 2
    yield f'<text x="{middle}" y="36" class="title">{package}/</text>'


def picture(sources: Sources) -> str:
    """Both packages side by side, as SVG."""
    lefts = {"nostr_client": 20, "relays": 20 + _WIDTHS["nostr_client"] + 60}
    width = lefts["relays"] + _WIDTHS["relays"] + 20
    rows = max(len(set(FLOORS_OF_PACKAGE[package].values())) for package in PACKAGES)
    height = 60 + rows * _ROW + 20
    parts = [part for package in PACKAGES for part in _package(package, lefts[package], sources)]
    note = "relays/ uses nostr_client's rooms from net/ downwards, and nothing above"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif">',
            "<style>rect{fill:#f4f6fa;stroke:#3b5b8c}path{fill:none;stroke:#9aa7bd;"
            "marker-end:url(#a)}text{text-anchor:middle;fill:#1c2533}.name{font-size:13px;"
            "font-weight:bold}.what{font-size:10.5px;fill:#4a566b}.title{font-size:18px;"
            "font-weight:bold}.paper{fill:#fff;stroke:none}</style>",
            '<defs><marker id="a" markerWidth="7" markerHeight="7" refX="5" refY="3" '
            'orient="auto"><path d="M0 0 L6 3 L0 6 z" style="fill:#9aa7bd;stroke:none;'
            'marker-end:none"/></marker></defs>',
            f'<rect class="paper" width="{width}" height="{height}"/>',
            *parts,
            f'<text x="{lefts["relays"] + _WIDTHS["relays"] / 2}" y="{height - 40}" '
            f'class="what">{escape(note)}</text>',
            "</svg>\n",
        ]
    )


def text(before: str, sources: Sources) -> str:
    """docs/architecture.md with its tables made anew."""
    for package in PACKAGES:
        begin, end = f"<!-- rooms of {package} -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        made = f"{begin}\n{table(package, sources)}\n{end}"
        before, found = pattern.subn(lambda _, made=made: made, before)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"{TEXT.name} has {found} places for the rooms of {package}")
    return before


def main() -> None:
    sources = real_sources()
    TEXT.write_text(text(TEXT.read_text("utf-8"), sources), "utf-8")
    PICTURE.write_text(picture(sources), "utf-8")


if __name__ == "__main__":
    main()
