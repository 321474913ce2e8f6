"""Signature checks in batches on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import verify_batch


async def verify_all(events: Sequence[Event]) -> list[bool]:
    """Is each signature that of its event's author?"""
    records = b"".join(bytes.fromhex(event.id + event.pubkey + event.sig) for event in events)
    return [verdict == 1 for verdict in await asyncio.to_thread(verify_batch, records)]
