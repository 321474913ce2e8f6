"""Private messages as lines: in their room, and where a search found them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from textual.content import Content

from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.messages.views import Delivery, MemberCopies, PrivateMessage
from nostr_client.store.contract import CopyState
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.time_format import ago, ahead
from nostr_client.tui.widgets.items import ItemRenderer, Styles

CHARACTERS: Final = 20_000
MOST_COUNTED: Final = 3
"""People of whose relays is said how many have a message."""
DELIVERED: Final[Mapping[Delivery, str]] = {
    Delivery.RECEIVED: "",
    Delivery.STORED: "○ waiting, kept here",
    Delivery.PARTLY: "✓ sent to some",
    Delivery.SENT: "✓✓ sent",
    Delivery.REFUSED: "✕ refused",
    Delivery.ELSEWHERE: "written elsewhere",
}
"""How far an own message is, in few words."""
_OF_STATE: Final = {
    Delivery.STORED: "list--warn",
    Delivery.PARTLY: "list--warn",
    Delivery.SENT: "list--good",
    Delivery.REFUSED: "list--bad",
}


class MessageRenderer(ItemRenderer[PrivateMessage]):
    """Who, when and how far it is; what it answers; its text; reactions."""

    def __init__(self, me: str, names: Callable[[str], str]) -> None:
        self._me = me
        self._names = names
        self.answered: dict[str, PrivateMessage] = {}
        """What is here to be quoted where it is answered, by id."""
        self.copies: Mapping[str, Sequence[MemberCopies]] = {}
        """Which relays of whom have an own message, by its id."""
        self.unfolded: set[str] = set()
        """Ids of those that are muted, and shown all the same."""

    def key(self, item: PrivateMessage) -> str:
        return item.id

    def is_folded(self, item: PrivateMessage) -> bool:
        """Does a line stand in its place, for the account muted it?"""
        return bool(item.muted) and item.id not in self.unfolded

    def lines(self, item: PrivateMessage, width: int, style: Styles) -> list[Content]:
        dim, mine = style("list--dim"), item.author == self._me
        marks = [ago(item.created_at, time.time())]
        marks += ["edited"] if item.edited else []
        marks += [f"expires {ahead(item.expires_at, time.time())}"] if item.expires_at else []
        who = "you" if mine else self._names(item.author)
        head = [Content.assemble((who, style("list--strong")), (f"  {' · '.join(marks)}", dim))]
        if item.delivery is not Delivery.RECEIVED:
            state = style(_OF_STATE.get(item.delivery, "list--dim"))
            head.append(Content.styled(f"  {self._how_far(item)}", state))
        lines = [Content("").join(head)]
        if self.is_folded(item):
            shows = with_keys("{list.choose} shows it")
            lines.append(Content.styled(f"  {safe_line(item.muted, 80)} · {shows}", dim))
        else:
            lines += self._body(item, width, style)
        return [line.truncate(width, ellipsis=True) for line in lines]

    def _how_far(self, item: PrivateMessage) -> str:
        """The state of an own message, and how many relays of whom took it; which, and why not,
        say its details."""
        told = []
        for member in self.copies.get(item.id, ()):
            if member.copies and member.pubkey != self._me:
                has = sum(copy.state is CopyState.CONFIRMED for copy in member.copies)
                told.append(f"{self._names(member.pubkey)} {has} of {len(member.copies)}")
        more = len(told) - MOST_COUNTED
        told = [*told[:MOST_COUNTED], *([f"{more} more"] if more > 0 else [])]
        return f"{DELIVERED[item.delivery]}{': ' if told else ''}{', '.join(told)}"

    def _body(self, item: PrivateMessage, width: int, style: Styles) -> list[Content]:
        dim, lines = style("list--dim"), list[Content]()
        if item.reply_to:
            quoted = self.answered.get(item.reply_to)
            words = "a message that is not here"
            if quoted is not None:
                words = safe_line(quoted.muted if self.is_folded(quoted) else quoted.text, 200)
            lines.append(Content.styled(f"  ┃ {words}", dim))
        if item.deleted:
            lines.append(Content.styled("  deleted", dim))
        elif item.file is not None:
            words = f"  file: {safe_line(item.file.mime_type, 60)}, {item.file.size:,} bytes"
            lines.append(Content.styled(words, dim))
        elif text := safe_text(item.text[:CHARACTERS]).strip("\n").rstrip():
            lines += Content(text).wrap(max(width - 1, 1))
        else:
            lines.append(Content.styled("  nothing but blanks", dim))
        if item.reactions:
            signs = " ".join(safe_line(what, 8) for _, what in item.reactions[:20])
            lines.append(Content.styled(f"  {signs}", dim))
        return lines
