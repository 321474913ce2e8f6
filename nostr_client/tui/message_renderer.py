"""Private messages as lines: in their room, and where a search found them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from textual.content import Content

from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.messages.views import Delivery, PrivateMessage
from nostr_client.tui.time_format import ago, ahead
from nostr_client.tui.widgets.items import ItemRenderer, Styles

CHARACTERS: Final = 20_000
DELIVERED: Final[Mapping[Delivery, str]] = {
    Delivery.RECEIVED: "",
    Delivery.STORED: "kept here, not delivered yet",
    Delivery.PARTLY: "delivered to some",
    Delivery.SENT: "delivered",
    Delivery.REFUSED: "refused",
    Delivery.ELSEWHERE: "written elsewhere",
}
"""How far an own message is, in few words."""


class MessageRenderer(ItemRenderer[PrivateMessage]):
    """Who, when and how far it is; what it answers; its text; reactions."""

    def __init__(self, me: str, names: Callable[[str], str]) -> None:
        self._me = me
        self._names = names
        self.answered: dict[str, PrivateMessage] = {}
        """What is here to be quoted where it is answered, by id."""

    def key(self, item: PrivateMessage) -> str:
        return item.id

    def lines(self, item: PrivateMessage, width: int, style: Styles) -> list[Content]:
        dim, mine = style("list--dim"), item.author == self._me
        marks = [ago(item.created_at, time.time())]
        marks += ["edited"] if item.edited else []
        marks += [f"expires {ahead(item.expires_at, time.time())}"] if item.expires_at else []
        marks += [DELIVERED[item.delivery]] if item.delivery is not Delivery.RECEIVED else []
        who = "you" if mine else self._names(item.author)
        lines = [Content.assemble((who, style("list--strong")), (f"  {' · '.join(marks)}", dim))]
        if item.reply_to:
            quoted = self.answered.get(item.reply_to)
            words = safe_line(quoted.text, 200) if quoted else "a message that is not here"
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
        return [line.truncate(width, ellipsis=True) for line in lines]
