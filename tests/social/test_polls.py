"""Polls: what counts as a vote, and where polls and votes go."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from nostr_client.errors import InvalidEvent
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.notes import Notes
from nostr_client.social.poll_views import PollView, poll_view
from nostr_client.social.polls import Polls
from nostr_client.social.publisher import Publisher
from tests.social.house import (
    ANA,
    BEN,
    CY,
    DEAD,
    ME,
    START,
    House,
    Relay,
    house,
    relay_list,
    signed,
    verify_all,
)

OPTIONS: Tags = (("option", "y", "Yes"), ("option", "n", "No"), ("option", "y", "again"))
DEE = SecretKey.from_hex("4" * 64)


def poll(*tags: tuple[str, ...]) -> Event:
    return signed(BEN, kinds.POLL, "Pineapple?", (*OPTIONS, *tags))


def vote(on: Event, *chosen: str, key: SecretKey = CY, at: int = START + 1) -> Event:
    tags: Tags = (("e", on.id), *(("response", id) for id in chosen))
    return signed(key, kinds.VOTE, tags=tags, at=at)


def counts(view: PollView | None) -> dict[str, int]:
    assert view is not None
    return {option.label: option.votes for option in view.options}


def polls(h: House) -> Polls:
    publisher = Publisher(h.guard, LocalSigner(ANA, h.clock), verify_all)
    return Polls(publisher, Notes(publisher), h.clock)


def test_the_newest_vote_of_each_within_the_time_counts() -> None:
    asked = poll(("endsAt", str(START + 100)))
    votes = [
        vote(asked, "y", at=START + 5),
        vote(asked, "n", "y", at=START + 9),
        vote(asked, "y", at=START + 101),
        vote(asked, "y", key=DEE, at=START - 1),
        vote(asked, "y", key=ANA, at=START + 100),
        vote(poll(("x", "another")), "y", key=BEN),
    ]
    for some in itertools.permutations(votes[:3]):
        view = poll_view(asked, [*some, *votes[3:]], now=START + 100, me=ME)
        assert counts(view) == {"Yes": 1, "No": 1}
        assert view is not None
        assert (view.voters, view.mine, view.ended, view.multiple) == (2, ("y",), False, False)
        assert view.share(view.options[0]) == 0.5
    late = poll_view(asked, now=START + 101)
    assert late is not None
    assert late.ended


def test_of_several_choices_each_counts_once_and_what_is_no_choice_does_not() -> None:
    asked = poll(("polltype", "multiplechoice"))
    votes = [
        vote(asked, "y", "y", "n", "zzz"),
        vote(asked, "zzz", key=DEE),
        vote(asked, "y", key=ANA, at=START + 1),
        vote(asked, key=ANA, at=START + 2),
    ]
    view = poll_view(asked, votes, me=ME)
    assert counts(view) == {"Yes": 1, "No": 1}
    assert view is not None
    assert (view.voters, view.mine) == (1, ())
    first = poll_view(poll(), [vote(poll(), "zzz", "y")])
    assert counts(first) == {"Yes": 0, "No": 0}, "the first response is it"


def test_what_is_no_poll() -> None:
    assert poll_view(signed(BEN, 1, "hi", OPTIONS)) is None
    assert poll_view(signed(BEN, kinds.POLL, "?", (("option",), ("option", "")))) is None
    many = tuple(("option", str(n)) for n in range(5_000))
    view = poll_view(signed(BEN, kinds.POLL, "?", (*many, ("endsAt", "9" * 30))))
    assert view is not None
    assert (len(view.options), view.ends_at, view.options[7].label) == (50, None, "7")


async def test_a_poll_is_asked_answered_and_counted_on_its_own_relays(tmp_path: Path) -> None:
    async with Relay() as home, Relay() as there, house(tmp_path) as h:
        await h.keep(relay_list(ANA, home.url))
        rooms = polls(h)
        posted = await rooms.ask("Cats or #dogs?", ["Cats", " Dogs\n"], ends_at=START + 60)
        event = posted.event
        assert event.kind == kinds.POLL
        assert [tag[2] for tag in event.tags if tag[0] == "option"] == ["Cats", "Dogs"]
        assert list(event.values("t")) == ["dogs"]
        assert list(event.values("relay")) == [home.url]
        theirs = poll(("relay", there.url), ("relay", DEAD), ("relay", "nonsense"))
        there.keep(vote(theirs, "n"))
        await h.keep(theirs)
        posted = await rooms.vote(theirs, ["y"])
        assert there.has(posted.event)
        again = await rooms.vote(theirs, ["n"])
        assert again.event.created_at > posted.event.created_at
        await rooms.fetch(theirs)
        view = await rooms.view(theirs)
        assert counts(view) == {"Yes": 0, "No": 2}
        assert view is not None
        assert view.mine == ("n",)


async def test_what_cannot_be_asked_or_answered(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        rooms = polls(h)
        for options, ends in (
            (["a"], None),
            (["a", "a"], None),
            (["a", " "], None),
            (["a", "b"], 1),
        ):
            with pytest.raises(InvalidEvent):
                await rooms.ask("?", options, ends_at=ends)
        over, note = poll(("endsAt", str(START - 1))), signed(BEN, content="hi")
        for asked, chosen in ((over, ["y"]), (note, ["y"]), (poll(), ["x"]), (poll(), ["y", "n"])):
            with pytest.raises(InvalidEvent):
                await rooms.vote(asked, chosen)
