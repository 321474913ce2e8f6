"""What becomes of an own message once it was sent: it is taken back, or its copies are let go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nostr_client.errors import FolderInUse
from nostr_client.paths import SEND_LOCK, FolderLock
from nostr_client.protocol.filters import Filter
from nostr_client.social.messages.archive import MessageArchive
from nostr_client.social.messages.message_views import delivery_of
from nostr_client.social.messages.records import Delivered
from nostr_client.social.messages.sending import MessageSender
from nostr_client.social.messages.views import Delivery
from nostr_client.store.contract import ClientStore, Copy, CopyState

JUST_WRITTEN: Final = 20.0
"""Seconds in which whoever wrote something is about to send it."""
DELIVERED_FOR: Final = 30 * 86_400
"""Seconds for which others' copies of an own message stay here once they can fetch them."""
LOOK_AGAIN: Final = 86_400
AT_ONCE: Final = 200
"""Messages looked at in one go, for copies that need not stay."""


class SentMessages:
    """The wraps in `store` of what `me` (hex) wrote through `sender`. `folder` (data) has the lock
    of whoever sends what waits."""

    def __init__(
        self,
        store: ClientStore,
        archive: MessageArchive,
        sender: MessageSender,
        me: str,
        *,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._archive = archive
        self._sender = sender
        self._me = me
        self._send_lock = folder / SEND_LOCK
        self._clock = clock
        self._looked = 0.0
        self._old: list[str] = []
        """Own messages of long ago that are still to be looked at."""

    async def take_back(self, rumor_id: str) -> frozenset[str] | None:
        """What waits of an own message is sent to nobody any more; who may have it nevertheless,
        None for everybody. Raises StoreError.
        """
        mailbox, ledger = self._archive.mailbox, self._store.ledger
        wraps = mailbox.wraps.get(rumor_id, {})
        if not wraps or rumor_id in mailbox.delivered:  # also: written on another device
            return None
        with contextlib.ExitStack() as stack:
            still = not self._sender.is_sending(rumor_id)
            try:
                stack.enter_context(FolderLock(self._send_lock))
            except FolderInUse:  # it may be on its way this very moment
                still = False
            copies = await ledger.copies_of(list(wraps.values()))
            back = {
                pubkey: wrap_id
                for pubkey, wrap_id in wraps.items()
                if not any(copy.state is CopyState.CONFIRMED for copy in copies[wrap_id])
            }
            for wrap_id in back.values():
                await ledger.unwant(wrap_id, [copy.url for copy in copies[wrap_id]])
            if back:
                await self._store.remove([Filter(ids=frozenset(back.values()))])
        return frozenset(
            pubkey
            for pubkey, wrap_id in wraps.items()
            if pubkey not in back or not still or any(map(self._may_be_there, copies[wrap_id]))
        )

    def _may_be_there(self, copy: Copy) -> bool:
        """Was it handed over, or may another process be about to?"""
        fresh = copy.attempts == 0 and abs(self._clock() - copy.updated_at) < JUST_WRITTEN
        return copy.state not in (CopyState.WANTED, CopyState.REFUSED) or fresh

    async def drop_delivered(self) -> None:
        """Take out of the store what every member can fetch by now, and has been able to for long;
        a part of it each time. Raises StoreError."""
        mailbox, now = self._archive.mailbox, self._clock()
        me, before = self._me, now - DELIVERED_FOR
        if abs(now - self._looked) >= LOOK_AGAIN:
            self._looked = now
            self._old = [id for id in mailbox.wraps if mailbox.written_at(id) < before]
        part, self._old = self._old[:AT_ONCE], self._old[AT_ONCE:]
        wraps = {id: mailbox.wraps[id] for id in part if id in mailbox.wraps}
        others = {id: {p: w for p, w in each.items() if p != me} for id, each in wraps.items()}
        ids = frozenset(wrap for each in others.values() for wrap in each.values())
        found = await self._store.ids(Filter(ids=ids)) if ids else []
        held = {raw.hex() for _, raw in found}
        others = {id: each for id, each in others.items() if not held.isdisjoint(each.values())}
        copies = await self._store.ledger.copies_of(held)
        done = [
            id
            for id, each in others.items()
            if id in mailbox.delivered
            or (
                delivery_of(me, each, copies) is Delivery.SENT
                and not any(copy.waits for wrap in each.values() for copy in copies.get(wrap, ()))
            )
        ]
        if done:
            await self._archive.keep([Delivered(id) for id in done if id not in mailbox.delivered])
            gone = frozenset(wrap for id in done for wrap in others[id].values())
            await self._store.remove([Filter(ids=gone)])
