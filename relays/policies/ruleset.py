"""What holds now: one object a relay, which all its sessions share.

A new configuration becomes true by `become`: whoever holds the object sees it from the next message
on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.urls import place_of
from relays.config.sections import Limits
from relays.metrics import Metrics
from relays.policies.events import for_clients, for_imports
from relays.policies.vanishing import Requests
from relays.policies.verdict import Asking, AsyncPolicy, Policy, QuestionPolicy


class Rules(msgspec.Struct, kw_only=True):
    """Limits and policies.

    `judge` decides on what clients publish, `imports` on what the keeper brings in, `consult` on
    what `judge` let through and whose signature is right. `judge_question` decides on questions;
    `served` is told how many bytes answered one. Events of a
    kind in `handlers` are requests to the relay: they are done instead of stored. `requests` are
    those to vanish: `judge` and `imports` let them pass to be obeyed, and they say which are kept.
    None: all that are stored are obeyed. What `hides` says
    of an event that was stored, it is sent to nobody live; `heard` is told of every stored event,
    also of those that another process stored. A REQ for one of `made_kinds` may be answered with an
    event that `made` makes for this asker alone. `places` are where the relay stands
    (`place_of` its service URLs; NIP-42, 62). `greets`: a client is challenged as soon as it
    connects. `searches`: questions may have a `search` (NIP-50).
    `open_kinds`: private kinds that anybody may see here. `metrics` counts what is done
    under them.
    """

    limits: Limits
    judge: Policy
    imports: Policy
    consult: AsyncPolicy | None = None
    judge_question: QuestionPolicy | None = None
    served: Callable[[Asking, int], None] | None = None
    handlers: Mapping[int, AsyncPolicy] = {}
    requests: Requests | None = None
    hides: Callable[[Event], bool] | None = None
    heard: Callable[[Event], None] | None = None
    made_kinds: frozenset[int] = frozenset()
    made: Callable[[Asking], Awaitable[Event | None]] | None = None
    places: frozenset[str] = frozenset()
    greets: bool = False
    searches: bool = False
    open_kinds: frozenset[int] = frozenset()
    metrics: Metrics = msgspec.field(default_factory=Metrics)

    def become(self, other: Rules) -> None:
        """Take over everything from `other`, but go on counting."""
        for name in self.__struct_fields__:
            if name != "metrics":
                setattr(self, name, getattr(other, name))


def plain_rules(limits: Limits, urls: frozenset[str] = frozenset()) -> Rules:
    """Anyone may write and read, within `limits`."""
    places = frozenset(map(place_of, urls))
    return Rules(
        limits=limits, judge=for_clients(limits), imports=for_imports(limits), places=places
    )
