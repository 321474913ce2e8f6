"""Where bans take effect: the keeper's decisions as the policies of every sub-relay ask for them.

`ModerationState.check` goes first in every chain; a banned address is refused at the connection.
"""

from __future__ import annotations

from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import INVITE
from relays.moderation.actions import ModerationActions
from relays.policies.ruleset import ModerationHooks
from relays.policies.verdict import ACCEPTED, IncomingEvent, Verdict, refused

_HIDDEN: Final = refused("blocked: it is banned here")


def hooks_of(actions: ModerationActions) -> ModerationHooks:
    """Bans, members and invites, and that what is banned meanwhile is taken out."""
    state, members, remover = actions.state, actions.members, actions.remover

    def is_hidden(event: Event) -> bool:
        hidden = state.is_hidden(event)
        if hidden:
            remover.remove_soon(event)
        return hidden

    def check_vanish(incoming: IncomingEvent) -> Verdict:
        return _HIDDEN if state.is_hidden(incoming.event) else ACCEPTED

    return ModerationHooks(
        check=state.check,
        check_query=members.check_query,
        is_member=members.include,
        check_vanish=check_vanish,
        handlers=members.handlers,
        is_hidden=is_hidden,
        synthesized_kinds=frozenset({INVITE}),
        synthesize=members.invite_for,
    )
