"""What was to be sent and is a draft again: a note that is scheduled, or that no relay has yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from nostr_client.errors import NostrError
from nostr_client.paths import Paths
from nostr_client.social.draft_text import DraftText
from nostr_client.social.drafts import DraftFile, name_of
from nostr_client.social.writing import Writing


class PutBack(NamedTuple):
    """A `text` that is a draft again, in its `file`, before what was `begun` since."""

    file: DraftFile
    text: str
    begun: str

    async def undo(self) -> None:
        """It was sent after all. Raises StoreError."""
        await asyncio.to_thread(self.file.take_out, self.text, self.begun)


async def put_back(paths: Paths, pubkey: str, writing: Writing) -> PutBack:
    """What was to be sent is a draft again. Raises StoreError."""
    file = DraftFile(paths, pubkey, name_of(writing.reply_to, writing.quote))
    text = str(DraftText(writing.text, writing.warning))
    return PutBack(file, text, await asyncio.to_thread(file.put_back, text))


async def take_back(
    paths: Paths, pubkey: str, writing: Writing, withdraw: Callable[[], Awaitable[object]]
) -> PutBack | None:
    """What was to be sent is a draft again, and `withdraw` keeps it from being sent; None where
    that says None: it is too late.

    The draft comes first, so that the text lies somewhere always. Where it is too late, or
    `withdraw` raises, it is none, or it would be sent twice. Raises StoreError, and as that does.
    """
    kept = await put_back(paths, pubkey, writing)
    try:
        withdrawn = await withdraw()
    except NostrError:
        await kept.undo()
        raise
    if withdrawn is None:
        await kept.undo()
        return None
    return kept
