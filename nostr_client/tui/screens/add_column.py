"""Asks which column is to be added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from textual.app import App

from nostr_client.client import NostrClient
from nostr_client.errors import InvalidData
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.tui.acts.grouping import words_of
from nostr_client.tui.panes.registry import PANES
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.choice import ChoiceDialog, Offered
from nostr_client.tui.screens.dialogs import PromptDialog
from nostr_client.tui.targets import AddressTarget

TAG: Final = "#"
LIST: Final = "="
RELAY: Final = "@"
LONGEST: Final = 64
AUTHORS: Final = 500
"""Whom one follows first, so many, have their packs offered."""


async def ask_for_column(app: App[Any], client: NostrClient, there: Sequence[str]) -> str:
    """What is not `there` yet: a section, a hashtag with its sign, the address of a list, the URL
    of a relay; empty for none. Raises StoreError."""
    sections = [Offered(p.name, p.says) for p in PANES if p.name not in there]
    feeds = (
        Offered(TAG, "A hashtag …", key=TAG),
        Offered(LIST, "A list of people or topics …", key=LIST),
        Offered(RELAY, "What a relay has …", key=RELAY),
    )
    question = ChoiceDialog("Which column is to be added?", (*feeds, *sections))
    chosen = await app.push_screen_wait(question)
    match chosen:
        case (what,) if what == TAG:
            return await _ask_for_tag(app)
        case (what,) if what == LIST:
            return await _ask_for_list(app, client)
        case (what,) if what == RELAY:
            return await _ask_for_relay(app)
        case (section,):
            return section
    return ""


async def _ask_for_tag(app: App[Any]) -> str:
    line = await app.push_screen_wait(PromptDialog("Which hashtag?", "#nostr", yes="add"))
    word = (line or "").strip().lstrip(TAG).lower()
    return f"{TAG}{word}" if word and not any(char.isspace() for char in word[:LONGEST]) else ""


async def _ask_for_list(app: App[Any], client: NostrClient) -> str:
    """One's own, and packs of those whom one follows, as far as they are here."""
    followed = (await client.follows.pubkeys())[:AUTHORS]
    lists = [*await client.sets.of(client.pubkey), *await client.sets.packs(followed)]
    offered = {one.address: words_of(one) for one in lists if AddressTarget(one.address).is_feed}
    if not offered:
        app.post_message(Say("No list is here yet: the section people makes one, and finds packs."))
        return ""
    choices = [Offered(address, words) for address, words in offered.items()]
    chosen = await app.push_screen_wait(ChoiceDialog("Which list?", choices))
    return chosen[0] if chosen else ""


async def _ask_for_relay(app: App[Any]) -> str:
    dialog = PromptDialog("Which relay?", "wss://relay.example.com", yes="add")
    line = (await app.push_screen_wait(dialog) or "").strip()
    if not line:
        return ""
    try:
        return normalize_relay_url(line if "://" in line else f"wss://{line}")
    except InvalidData as error:
        app.post_message(Say(str(error), "error"))
        return ""
