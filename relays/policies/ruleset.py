"""What holds now: one object a relay, which all its sessions share.

A new configuration becomes true by `reconfigure`: whoever holds the object sees it from the next
message on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from nostr_client.protocol.event import Event
from relays.config.sections import Limits
from relays.metrics import Metrics
from relays.policies.vanishing import VanishRequests
from relays.policies.verdict import (
    ACCEPTED,
    AsyncPolicy,
    IncomingEvent,
    IncomingQuery,
    Policy,
    QueryPolicy,
    Verdict,
)


def _no_member(_: str) -> bool:
    return False


def _nothing_banned(_: IncomingEvent) -> Verdict:
    return ACCEPTED


class ModerationHooks(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper's decisions ask of the rules, whatever the configuration says."""

    check: Policy = _nothing_banned
    """First in every chain, for what the keeper brings in, too."""
    check_query: QueryPolicy | None = None
    """Last of those that decide on queries."""
    is_member: Callable[[str], bool] = _no_member
    """Of a public key in hex."""
    check_vanish: Policy = _nothing_banned
    """Is a request to vanish kept? It is obeyed in any case."""
    handlers: Mapping[int, AsyncPolicy] = {}
    is_hidden: Callable[[Event], bool] | None = None
    synthesized_kinds: frozenset[int] = frozenset()
    synthesize: Callable[[IncomingQuery], Awaitable[Event | None]] | None = None
    """These as in `Rules`."""


class Rules(msgspec.Struct, kw_only=True):
    """Limits and policies, as `Policies.rules` makes them of a configuration."""

    limits: Limits
    check: Policy
    """Decides on what clients publish."""
    check_import: Policy
    """Decides on what the keeper brings in."""
    check_async: AsyncPolicy | None = None
    """Decides on what `check` let through and whose signature is right."""
    check_query: QueryPolicy | None = None
    on_served: Callable[[IncomingQuery, int], None] | None = None
    """Told how many bytes answered a query."""
    handlers: Mapping[int, AsyncPolicy] = {}
    """By kinds whose events are requests to the relay: they are done instead of stored."""
    vanish_requests: VanishRequests | None = None
    """`check` and `check_import` let them pass to be obeyed, and this says which are kept; None:
    all that are stored are obeyed (NIP-62)."""
    is_hidden: Callable[[Event], bool] | None = None
    """Of events that were stored: these are sent to nobody live."""
    synthesized_kinds: frozenset[int] = frozenset()
    synthesize: Callable[[IncomingQuery], Awaitable[Event | None]] | None = None
    """Makes an event for this client alone, in answer to a REQ for one of `synthesized_kinds`."""
    places: frozenset[str] = frozenset()
    """Where the relay stands (`place_of` its service URLs; NIP-42, 62)."""
    greets: bool = False
    """A client is challenged as soon as it connects (NIP-42)."""
    searches: bool = False
    """Filters may have a `search` (NIP-50)."""
    open_kinds: frozenset[int] = frozenset()
    """Private kinds that anybody may see here."""
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    """Count what is done under these rules."""

    def reconfigure(self, other: Rules) -> None:
        """Take over everything from `other`, but go on counting."""
        for name in self.__struct_fields__:
            if name != "metrics":
                setattr(self, name, getattr(other, name))
