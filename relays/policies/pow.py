"""Proof of work (NIP-13): what an author has to show before his event is looked at any further."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nostr_client.nips.nip13 import commitment, difficulty
from relays.policies.verdict import ACCEPTED, IncomingEvent, Policy, Verdict, refused

Exempt = Callable[[IncomingEvent], bool]


def work(
    bits: int, of_kind: Mapping[int, int] | None = None, exempt: Exempt | None = None
) -> Policy:
    """At least `bits`, or those of the event's kind where they are more; committed to.

    `exempt` says whose events need none.
    """
    special = dict(of_kind or {})

    def check(incoming: IncomingEvent) -> Verdict:
        event = incoming.event
        wanted = max(bits, special.get(event.kind, 0))
        if not wanted or (exempt is not None and exempt(incoming)):
            return ACCEPTED
        shown = difficulty(event.id)
        aim = commitment(event)
        if aim is None:
            return refused(f'pow: {wanted} bits of work are wanted, named in a "nonce" tag')
        if min(aim, shown) >= wanted:
            return ACCEPTED
        if shown >= wanted:
            return refused(f"pow: {wanted} bits of work are wanted, and {aim} were aimed at")
        return refused(f"pow: {wanted} bits of work are wanted, and the id shows {shown}")

    return check
