"""Private messages as lines: how far own ones are, and what is muted."""

from __future__ import annotations

import time
from contextvars import copy_context

from textual.style import Style

from nostr_client.social.messages.views import Delivery, MemberCopies, PrivateMessage
from nostr_client.store.contract import Copy, CopyState
from nostr_client.tui.glyphs import AsciiOnly
from nostr_client.tui.keymap import bind_own
from nostr_client.tui.message_renderer import DELIVERED, MessageRenderer

ME, BEN, CY = ("a" * 64, "b" * 64, "c" * 64)
NAMES = {ME: "ana", BEN: "ben", CY: "cy"}


def message(
    author: str = ME, delivery: Delivery = Delivery.SENT, muted: str = ""
) -> PrivateMessage:
    room = frozenset({ME, BEN, CY})
    at = int(time.time())
    return PrivateMessage(
        id="1" * 64, author=author, room=room, created_at=at, text="hello", delivery=delivery,
        muted=muted,
    )  # fmt: skip


def copies(pubkey: str, *states: CopyState) -> MemberCopies:
    found = (Copy("w" * 64, f"wss://{n}", s, 1, 0, "", "", 0) for n, s in enumerate(states))
    return MemberCopies(pubkey, tuple(found))


def lines(renderer: MessageRenderer, item: PrivateMessage, width: int = 100) -> list[str]:
    return [line.plain for line in renderer.lines(item, width, lambda name: Style())]


def test_the_relays_of_each_recipient_that_took_it_are_counted() -> None:
    has, waits = CopyState.CONFIRMED, CopyState.WANTED
    renderer = MessageRenderer(ME, NAMES.__getitem__)
    assert lines(renderer, message())[0] == "you  now  ✓✓ sent"
    renderer.copies = {
        "1" * 64: [copies(ME, has), copies(BEN, has, waits), copies(CY, waits, waits, waits)]
    }
    partly = message(delivery=Delivery.PARTLY)
    assert lines(renderer, partly)[0] == "you  now  ✓ sent to some: ben 1 of 2, cy 0 of 3"
    assert len(lines(renderer, partly, 20)[0]) <= 20


def test_no_two_states_look_the_same_without_colour_or_unicode() -> None:
    ascii_only = AsciiOnly()
    drawn = [ascii_only.of(words) for words in DELIVERED.values()]
    assert len(set(drawn)) == len(DELIVERED)
    assert all(words.isascii() for words in drawn)


def test_what_is_muted_is_a_line_until_it_is_unfolded() -> None:
    renderer = MessageRenderer(ME, NAMES.__getitem__)
    muted = message(BEN, Delivery.RECEIVED, "by somebody you muted")
    assert lines(renderer, muted)[1:] == ["  by somebody you muted · enter shows it"]

    def with_own_keys() -> list[str]:
        bind_own({"list.choose": ("f9",)})
        return lines(renderer, muted)

    assert "f9 shows it" in copy_context().run(with_own_keys)[1]
    renderer.unfolded.add(muted.id)
    assert lines(renderer, muted)[1:] == ["hello"]
