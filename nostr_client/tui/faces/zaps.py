"""Zaps: what a receipt claims to have been paid (NIP-57), and whether the recipient's provider
vouches for it: that is looked up when the person wants to know, and not to draw a line."""

from __future__ import annotations

import functools
from typing import Final

from textual.content import Content

from nostr_client.errors import InvalidEvent
from nostr_client.nips.nip57 import Zap, read_receipt, zap_shares
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face
from nostr_client.tui.faces.sheet import NameOf, Sheet, label

MOST_NAMED: Final = 5
"""People who are named among those to whom the zaps of one note go."""


@functools.lru_cache(256)
def _read(receipt: Event) -> Zap | None:
    """What a receipt says; None where its parts do not agree."""
    try:
        return read_receipt(receipt)
    except InvalidEvent:
        return None


def sats(msat: int) -> str:
    """Millisatoshi as people count them."""
    return "1 sat" if msat == 1000 else f"{msat // 1000:,} sats"


def shares_words(event: Event, name_of: NameOf) -> str:
    """`zaps go to Ana 70 %, Ben 30 %`, safe; empty where a note does not split them."""
    shares = zap_shares(event)
    if not shares:
        return ""
    named = [f"{label(name_of(one.pubkey))} {one.part:.0%}" for one in shares[:MOST_NAMED]]
    more = f" and {len(shares) - MOST_NAMED} more" if len(shares) > MOST_NAMED else ""
    return f"zaps go to {', '.join(named)}{more}".replace("%", " %")


def _lines(view: NoteView, sheet: Sheet) -> list[Content]:
    zap = _read(view.event)
    if zap is None:
        return sheet.words("a receipt for a zap whose parts do not agree: nothing is believed")
    who, whom = label(sheet.name_of(zap.sender)), label(sheet.name_of(zap.recipient))
    state = "checked" if view.zap_checked else "claimed"
    lines = sheet.words(f"⚡ {sats(zap.msat)} from {who} to {whom}, {state}", "text")
    return lines + sheet.written(zap.comment[:600])


def _summary(event: Event) -> str:
    zap = _read(event)
    return "a zap that is not believed" if zap is None else f"⚡ {sats(zap.msat)}, claimed"


def _asked(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words("asks to pay somebody") + sheet.body(view)


FACES: Final = (
    Face((kinds.ZAP_RECEIPT,), "zap", _lines, _summary),
    Face((kinds.ZAP_REQUEST,), "request for a zap", _asked),
)
