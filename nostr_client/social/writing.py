"""A note as a person wrote it, before it is an event: what a draft and a schedule keep."""

from __future__ import annotations

import msgspec

from nostr_client.protocol.event import Tags


class Writing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The text, with what it answers or quotes (ids in hex; not both), why it is folded (NIP-36;
    "" without a reason, None not at all), and tags that come beside those that it needs."""

    text: str
    reply_to: str = ""
    quote: str = ""
    warning: str | None = None
    tags: Tags = ()
