"""Statuses (NIP-38), reports (NIP-56), and relays that are joined by a code (NIP-43)."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import InvalidData, InvalidEvent
from nostr_client.net.outcome import How
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.routing.operators import RelayFacts
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.membership import RelayMemberships
from nostr_client.social.publisher import Publisher
from nostr_client.social.reports import Reporting
from nostr_client.social.statuses import Statuses
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
    ME,
    START,
    House,
    Relay,
    house,
    relay_list,
    signed,
    verify_all,
)


def publisher(h: House) -> Publisher:
    return Publisher(h.guard, LocalSigner(ANA, h.clock), verify_all)


async def test_a_status_is_said_expires_and_is_taken_back(tmp_path: Path) -> None:
    music = signed(BEN, kinds.STATUS, "la la", (("d", "music"),))
    theirs = signed(BEN, kinds.STATUS, "hiking", (("d", "general"),))
    async with Relay(theirs, music) as relay, house(tmp_path) as h:
        await h.keep(relay_list(BEN, relay.url))
        statuses = Statuses(publisher(h), h.clock)
        posted = await statuses.set(" At\nwork ", seconds=60, link="https://a.example")
        assert posted.event.content == "At work"
        assert posted.event.tags == (
            ("d", "general"),
            ("r", "https://a.example"),
            ("expiration", str(START + 60)),
        )
        await statuses.fetch([BEN_KEY])
        assert await statuses.of([ME, BEN_KEY]) == {ME: "At work", BEN_KEY: "hiking"}
        h.clock.now += 61
        assert await statuses.of([ME, BEN_KEY]) == {BEN_KEY: "hiking"}
        await statuses.set("back")
        assert (await statuses.of([ME]))[ME] == "back"
        assert (await statuses.set("")).event.tags == (("d", "general"),)
        assert await statuses.of([ME]) == {}
        for text, seconds in (("x" * 201, None), ("x", 0)):
            with pytest.raises(InvalidEvent):
                await statuses.set(text, seconds=seconds)


async def test_a_report_names_whom_and_why(tmp_path: Path) -> None:
    note = signed(BEN, content="buy now")
    async with house(tmp_path) as h:
        reports = Reporting(publisher(h))
        posted = await reports.event(note, "spam", "again\n")
        assert (posted.event.kind, posted.event.content) == (kinds.REPORT, "again")
        assert posted.event.tags == (("e", note.id, "spam"), ("p", BEN_KEY))
        posted = await reports.person(BEN_KEY, "impersonation")
        assert posted.event.tags == (("p", BEN_KEY, "impersonation"),)
        with pytest.raises(InvalidEvent, match="one of: spam"):
            await reports.person(BEN_KEY, "rude")
        with pytest.raises(InvalidEvent, match="your own"):
            await reports.person(ME, "spam")
        with pytest.raises(InvalidEvent, match="public key"):
            await reports.person("ben", "spam")


class Facts(RelayFactBook):
    """Documents as told."""

    async def _ask(self, url: str) -> RelayFacts:
        return self.said.get(url, RelayFacts(url))

    said: dict[str, RelayFacts]


async def test_only_a_relay_that_knows_of_invitations_is_shown_the_code(tmp_path: Path) -> None:
    async with Relay() as relay, Relay() as plain, house(tmp_path) as h:
        facts = Facts(tmp_path / "facts.json", h.courier.book.policy, clock=h.clock)
        facts.said = {}
        memberships = RelayMemberships(publisher(h), facts)
        with pytest.raises(InvalidData, match="does not say"):
            await memberships.join(relay.url, "abc")
        facts.said = {
            relay.url: RelayFacts(relay.url, START, answered=True, nips=(1, 43)),
            plain.url: RelayFacts(plain.url, START, answered=True, nips=(1, 42)),
        }
        with pytest.raises(InvalidData, match="takes no invite codes"):
            await memberships.join(plain.url, "abc")
        relay.refuses = "restricted: that invite code is expired."
        answer = await memberships.join(relay.url, " abc ")
        assert (answer.accepted, answer.reason) == (False, "that invite code is expired.")
        relay.refuses = ""
        assert (await memberships.leave(relay.url)).accepted
        said = [frame[1] for frame in relay.log if frame[0] == "EVENT"]
        assert [(event["kind"], event["tags"]) for event in said] == [
            (kinds.JOIN, [["-"], ["claim", "abc"]]),
            (kinds.LEAVE, [["-"]]),
        ]
        assert not [frame for frame in plain.log if frame[0] == "EVENT"]
        assert not await h.store.known([event["id"] for event in said])
        with pytest.raises(InvalidData, match="no invite code"):
            await memberships.join(relay.url, " ")
        with pytest.raises(InvalidEvent, match="is kept"):
            await publisher(h).tell(Draft(1, "hi"), relay.url)
        await relay.end()
        gone = await memberships.leave(relay.url)
        assert gone.accepted is None
        assert gone.cause.how is not How.ANSWERED
