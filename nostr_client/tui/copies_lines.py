"""Copies and what relays hold, as lines of a screen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from textual.content import Content

from nostr_client.resilience.copy_words import refusal_words
from nostr_client.routing.survival import NoteCopies, PlacedCopy, RelayHolding
from nostr_client.safe_text import safe_line
from nostr_client.store.contract import Copy, CopyGrade, CopyState
from nostr_client.tui.time_format import ahead, passed
from nostr_client.tui.widgets.send_progress import relay_name

DIM: Final = "$foreground 60%"
_NAME: Final = 22
_MARKS: Final = {
    "receipt": ("● ", "$text-success"),
    "said": ("◐ ", "$text-success"),
    "waiting": ("○ ", "$text-warning"),
    "over": ("✕ ", "$text-error"),
}
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def copy_lines(found: NoteCopies, now: float) -> Iterator[Content]:
    """One line a relay, and what readers find."""
    letters = operator_letters([one.operator for one in found.copies if one.role != "own"])
    for one in found.copies:
        mark, colour = _MARKS["over" if one.dead else _mark(one.copy)]
        name = "own relay" if one.role == "own" else relay_name(one.copy.url)
        part = {"own": "here", "list": "", "reserve": "reserve"}.get(one.role, "besides")
        if one.role != "own":
            part = " ".join(filter(None, (letters[one.operator], _countries(one), part)))
        said = _words(one.copy, now)
        if one.dead:
            said = Content.assemble(("out of reach  ", "$text-error"), (said.plain, DIM))
        yield Content.assemble((mark, colour), _cell(name), (f" {part:<11} ", DIM), said)
        if why := safe_line(refusal_words(one.copy), 160):
            yield Content.styled(f"  {why}", DIM)
    yield Content("")
    looks = f"where readers look: {found.survival.readable} of {found.named}"
    yield Content.styled(f"{looks} · in reserve: {found.reserved}", DIM)


def _cell(name: str) -> str:
    """A relay's name, as wide as its column."""
    cut = Content(name).truncate(_NAME, ellipsis=True)
    return cut.plain + " " * (_NAME - cut.cell_length)


def operator_letters(names: Sequence[str]) -> dict[str, str]:
    """A letter for each operator, in the order in which they come: who shares one falls as one."""
    ordered = list(dict.fromkeys(names))
    return {
        name: _LETTERS[place] if place < len(_LETTERS) else str(place + 1)
        for place, name in enumerate(ordered)
    }


def _countries(one: PlacedCopy) -> str:
    return safe_line("/".join(one.countries[:2]), 8)


def _mark(copy: Copy) -> str:
    if copy.state is CopyState.CONFIRMED:
        return "receipt" if copy.grade >= CopyGrade.READ_BACK else "said"
    return "waiting" if copy.waits else "over"


def _words(copy: Copy, now: float) -> Content:
    """What is known of it, since when, and what comes next."""
    since = passed(copy.updated_at, now)
    if copy.state is CopyState.CONFIRMED:
        grade = {
            CopyGrade.READ_BACK: "read back",
            CopyGrade.READ_AS_STRANGER: "read back by a stranger",
        }.get(copy.grade, "it said so, not seen yet")
        looks = f", {copy.audits}×" if copy.audits > 1 else ""
        following = f" · again {ahead(copy.audit_at, now)}" if copy.audit_at else ""
        return Content.assemble(f"{grade}{looks}", (f"  {since}{following}", DIM))
    if copy.waits:
        return Content.assemble("not there yet", (f"  tried {ahead(copy.next_try, now)}", DIM))
    word = "dropped" if copy.state is CopyState.DROPPED else "refused"
    return Content.assemble((word, "$text-error"), (f"  {since}", DIM))


def holding_lines(relays: Sequence[RelayHolding]) -> Iterator[Content]:
    """What each relay holds of all that an account wrote, as a table."""
    head = (
        f"  {'relay':<{_NAME}} {'part':<8} {'op':<3}{'there':>7}{'seen':>7}{'waits':>7}{'gone':>7}"
    )
    yield Content.styled(head, DIM)
    letters = operator_letters([each.operator for each in relays])
    for each in relays:
        seen = each.read_back + each.as_stranger
        mark, colour = _MARKS["over" if each.dead else "receipt" if seen else "said"]
        figures = f"{each.confirmed:>7}{seen:>7}{each.waiting:>7}{each.refused + each.dropped:>7}"
        yield Content.assemble(
            (mark, colour),
            f"{_cell(relay_name(each.url))} ",
            (f"{each.role:<8} {letters[each.operator]:<3}", DIM),
            figures,
        )
