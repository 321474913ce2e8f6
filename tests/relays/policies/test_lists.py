"""Lists of kinds, authors and people; words; proof of work."""

from __future__ import annotations

import pytest

from nostr_client.errors import InvalidData
from nostr_client.nips.nip13 import mine
from nostr_client.protocol.event import Draft, Event
from relays.config.sections import Events, KindRule
from relays.policies.banned_words import without_words
from relays.policies.lists import lists
from relays.policies.pow import work
from relays.policies.verdict import Offer, all_of
from tests.relays.talk import KEY, NOW, OTHER, note

ME, OTHERS = KEY.public_key.hex, OTHER.public_key.hex
NOT_KEPT = "blocked: events of kind 1 are not kept here"


@pytest.mark.parametrize(
    ("settings", "event", "reason"),
    [
        (Events(kinds=(1,)), note(), ""),
        (Events(kinds=(0, 3)), note(), NOT_KEPT),
        (Events(refused_kinds=(1,)), note(), NOT_KEPT),
        (Events(refused_kinds=(7,)), note(), ""),
        (Events(authors=(ME,)), note(), ""),
        (
            Events(authors=(OTHERS,)),
            note(),
            "blocked: this relay keeps the events of certain authors only",
        ),
        (
            Events(refused_authors=(ME,)),
            note(),
            "blocked: this relay does not keep this author's events",
        ),
        (Events(refused_authors=(OTHERS,)), note(), ""),
        (
            Events(to=(OTHERS,)),
            note(),
            "blocked: only what names this relay's keeper (a p tag) is kept here",
        ),
        (Events(to=(OTHERS,)), note(tags=(("p",), ("p", ME), ("p", OTHERS))), ""),
        (Events(to=(ME,)), note(), ""),
        (Events(rules=(KindRule(kinds=(7,), authors=(OTHERS,)),)), note(), ""),
        (
            Events(rules=(KindRule(kinds=(1, 7), authors=(OTHERS,)),)),
            note(),
            "blocked: this author's events of kind 1 are not kept here",
        ),
        (
            Events(rules=(KindRule(kinds=(1,), refused_authors=(ME,)),)),
            note(),
            "blocked: this author's events of kind 1 are not kept here",
        ),
        (
            Events(rules=(KindRule(kinds=(1,), content_length=4),)),
            note("five!"),
            "invalid: the content of kind 1 may have 4 characters here",
        ),
        (
            Events(rules=(KindRule(kinds=(1,), tags=0),)),
            note(tags=(("t", "x"),)),
            "invalid: an event of kind 1 may have 0 tags here",
        ),
        (Events(rules=(KindRule(kinds=(1,), tags=1, content_length=9),)), note("fine"), ""),
    ],
)
def test_lists(settings: Events, event: Event, reason: str) -> None:
    verdict = all_of(lists(settings))(Offer(event, NOW))
    assert (verdict.accepted, verdict.reason) == (not reason, reason)


def test_what_no_list_of_kinds_keeps_out() -> None:
    assert all_of(lists(Events(kinds=(7,)), always=(62,)))(Offer(note(kind=62), NOW)).accepted


def test_nothing_set_is_no_policy() -> None:
    assert lists(Events()) == []


def test_words() -> None:
    judge = without_words(["Casino", "free   money"])
    for text in ("visit my CASINO now", "get free money!", "\u200bCas\u200bino"):
        assert judge(Offer(note(text), NOW)).reason.startswith("blocked: ")
    for text in ("casinos are many", "freedom and money", ""):
        assert judge(Offer(note(text), NOW)).accepted
    with pytest.raises(InvalidData):
        without_words([" "])


def mined(bits: int, aim: int | None = None, kind: int = 1) -> Event:
    """An event whose id shows `bits`, and whose author says that he aimed at `aim`."""
    for at in range(NOW - 5000, NOW):
        draft = mine(Draft(kind, "work", (), at), ME, bits)
        assert draft is not None
        if aim is None or aim == bits:
            return draft.sign(KEY, NOW)
        tags = (("nonce", str(at), str(aim)),)
        event = Draft(kind, "work", tags, at).sign(KEY, NOW)
        if int(event.id, 16).bit_length() <= 256 - bits:
            return event
    raise AssertionError("no luck")


def test_work() -> None:
    judge = work(6)
    assert judge(Offer(mined(6), NOW)).accepted
    assert judge(Offer(mined(8), NOW)).accepted
    reason = judge(Offer(note(), NOW)).reason
    assert reason == 'pow: 6 bits of work are wanted, named in a "nonce" tag'
    lucky = judge(Offer(mined(6, aim=2), NOW)).reason
    assert lucky == "pow: 6 bits of work are wanted, and 2 were aimed at"
    idle = note(tags=(("nonce", "0", "200"),))
    assert judge(Offer(idle, NOW)).reason.startswith("pow: 6 bits of work are wanted, and the id")


def test_work_of_kinds_and_exemptions() -> None:
    judge = work(0, {7: 6})
    assert judge(Offer(note(), NOW)).accepted
    assert not judge(Offer(note(kind=7), NOW)).accepted
    assert judge(Offer(mined(6, kind=7), NOW)).accepted
    spared = work(20, exempt=lambda offer: offer.event.pubkey == ME)
    assert spared(Offer(note(), NOW)).accepted
    assert not spared(Offer(note(key=OTHER), NOW)).accepted
