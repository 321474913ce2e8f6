"""Acts on the account itself: what it says it is doing, and words it does not want to see."""

from __future__ import annotations

import re
from typing import Final

from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import AccountAct
from nostr_client.tui.acts.muting import mute_word
from nostr_client.tui.screens.dialogs import PromptDialog

_SPAN: Final = re.compile(r"(?P<text>.*?)\s*\bfor (?P<many>[1-9]\d{0,2})\s?(?P<unit>[mhd])", re.S)
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}


async def status(actions: Actions, _: None = None) -> None:
    """Say what one is doing, for everybody to see, for a while; nothing takes it back."""
    client = actions.client
    now = (await client.statuses.of([client.pubkey])).get(client.pubkey, "")
    hint = "hiking for 2h; empty takes it back"
    prompt = PromptDialog("What are you doing?", hint, yes="say it", offered=now, blank=True)
    text = await actions.ask(prompt)
    if text is None:
        return
    words, seconds = span_of(text)
    said = "Your status is said" if words else "Your status is taken back"
    await actions.tell(said, client.statuses.set(words, seconds=seconds))


def span_of(text: str) -> tuple[str, int | None]:
    """`hiking for 2h` -> `hiking`, 7200; without a span all of it, and None."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        return text.strip(), None
    return found["text"], int(found["many"]) * _SECONDS[found["unit"]]


ACTS: Final = (
    AccountAct("status", "", "Say what you are doing (status)", status, place=300),
    AccountAct("mute_word", "", "Mute a word or a hashtag", mute_word, place=310),
)
