"""The rooms that many a client never enters: made, and loaded, when they are asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nostr_client.client.rooms import ClientRooms
from nostr_client.protocol import kinds

if TYPE_CHECKING:
    from nostr_client.social.assertions import Assertions
    from nostr_client.social.beginnings import Beginnings
    from nostr_client.social.bookmarks import Pins, WebBookmarks
    from nostr_client.social.lists import EntryList
    from nostr_client.social.lookalikes import Lookalikes
    from nostr_client.social.membership import RelayMemberships
    from nostr_client.social.polls import Polls
    from nostr_client.social.reports import Reporting
    from nostr_client.social.sets import Sets
    from nostr_client.social.statuses import Statuses
    from nostr_client.social.unplaced import UnplacedNotes
    from nostr_client.social.visits import Visits
    from nostr_client.social.why import Explanations


class RoomsOnDemand(ClientRooms):
    """Polls, lists with a name, statuses, reports and the like."""

    @cached_property
    def assertions(self) -> Assertions:
        """What chosen providers say of people: how far somebody is to be trusted (NIP-85)."""
        from nostr_client.social.assertions import Assertions

        return Assertions(self.courier, self.guard, self.pubkey)

    @cached_property
    def beginnings(self) -> Beginnings:
        """Whom a newcomer may begin with: packs, topics, whom a friend follows."""
        from nostr_client.social.beginnings import Beginnings

        return Beginnings(self.courier, self.profiles)

    @cached_property
    def interests(self) -> EntryList:
        """Topics that the account is interested in (kind 10015): `t` and `a` entries."""
        from nostr_client.social.lists import EntryList

        return EntryList(self.courier, self.guard, self.pubkey, kinds.INTERESTS)

    @cached_property
    def lookalikes(self) -> Lookalikes:
        """Who bears the name of somebody that the account follows, with another key."""
        from nostr_client.social.lookalikes import Lookalikes

        return Lookalikes(self.profiles, self.acquaintances)

    @cached_property
    def memberships(self) -> RelayMemberships:
        """Joining a relay by an invite code, and leaving it (NIP-43)."""
        from nostr_client.social.membership import RelayMemberships

        return RelayMemberships(self.publisher, self.relay_facts)

    @cached_property
    def pins(self) -> Pins:
        """The notes of its own that the account shows on its profile (kind 10001)."""
        from nostr_client.social.bookmarks import Pins

        return Pins(self.courier, self.guard, self.pubkey)

    @cached_property
    def polls(self) -> Polls:
        """Polls: asked, answered and counted on their own relays (NIP-88)."""
        from nostr_client.social.polls import Polls

        return Polls(self.publisher, self.notes, self._clock)

    @cached_property
    def reports(self) -> Reporting:
        """Reports of what is objectionable, public for good (NIP-56)."""
        from nostr_client.social.reports import Reporting

        return Reporting(self.publisher)

    @cached_property
    def sets(self) -> Sets:
        """Lists with a name, as many as one wants of each kind (NIP-51)."""
        from nostr_client.social.sets import Sets

        return Sets(self.courier, self.guard, self.pubkey)

    @cached_property
    def statuses(self) -> Statuses:
        """What people say they are doing just now, until it expires (NIP-38)."""
        from nostr_client.social.statuses import Statuses

        return Statuses(self.publisher, self._clock)

    @cached_property
    def unplaced(self) -> UnplacedNotes:
        """Notes that no relay has yet: what each waits for, and how one is taken back."""
        from nostr_client.social.unplaced import UnplacedNotes

        return UnplacedNotes(
            self.store,
            self.notes,
            owner=self.pubkey,
            own_urls=self._own_urls,
            under_way=self.courier.under_way,
        )

    @cached_property
    def visits(self) -> Visits:
        """When the account last looked at whom; kept on this machine, and told to nobody."""
        from nostr_client.social.visits import Visits

        path = self.paths.data / f"visits-{self.pubkey[:16] or 'nobody'}.json"
        return Visits(path, self._clock)

    @cached_property
    def web_bookmarks(self) -> WebBookmarks:
        """The web pages that the account keeps, for everybody to see (NIP-B0)."""
        from nostr_client.social.bookmarks import WebBookmarks

        return WebBookmarks(self.courier, self.guard, self.pubkey, self._clock)

    @cached_property
    def why(self) -> Explanations:
        """Why something is here, from what is known here: nobody is asked."""
        from nostr_client.social.why import Explanations

        return Explanations(
            self.courier,
            self.follows,
            self.feed_sync,
            acquaintances=self.acquaintances,
            reserve=self.reserves.urls,
            valid=self.verifier.verify,
            owner=self.pubkey,
        )
