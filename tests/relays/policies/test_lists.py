"""Lists of kinds, authors and people; words; proof of work."""

from __future__ import annotations

import pytest

from nostr_client.errors import InvalidData
from nostr_client.nips.nip13 import mine
from nostr_client.protocol.event import Draft, Event
from relays.config.sections import EventRules, KindRule
from relays.policies.banned_words import without_words
from relays.policies.lists import lists
from relays.policies.pow import work
from relays.policies.verdict import IncomingEvent, all_of
from tests.relays.talk import KEY, NOW, OTHER, note

ME, OTHERS = KEY.public_key.hex, OTHER.public_key.hex
NOT_KEPT = "blocked: events of kind 1 are not kept here"


@pytest.mark.parametrize(
    ("settings", "event", "reason"),
    [
        (EventRules(kinds=(1,)), note(), ""),
        (EventRules(kinds=(0, 3)), note(), NOT_KEPT),
        (EventRules(refused_kinds=(1,)), note(), NOT_KEPT),
        (EventRules(refused_kinds=(7,)), note(), ""),
        (EventRules(authors=(ME,)), note(), ""),
        (
            EventRules(authors=(OTHERS,)),
            note(),
            "blocked: this relay keeps the events of certain authors only",
        ),
        (
            EventRules(refused_authors=(ME,)),
            note(),
            "blocked: this relay does not keep this author's events",
        ),
        (EventRules(refused_authors=(OTHERS,)), note(), ""),
        (
            EventRules(to=(OTHERS,)),
            note(),
            "blocked: only what names this relay's keeper (a p tag) is kept here",
        ),
        (EventRules(to=(OTHERS,)), note(tags=(("p",), ("p", ME), ("p", OTHERS))), ""),
        (EventRules(to=(ME,)), note(), ""),
        (EventRules(rules=(KindRule(kinds=(7,), authors=(OTHERS,)),)), note(), ""),
        (
            EventRules(rules=(KindRule(kinds=(1, 7), authors=(OTHERS,)),)),
            note(),
            "blocked: this author's events of kind 1 are not kept here",
        ),
        (
            EventRules(rules=(KindRule(kinds=(1,), refused_authors=(ME,)),)),
            note(),
            "blocked: this author's events of kind 1 are not kept here",
        ),
        (
            EventRules(rules=(KindRule(kinds=(1,), content_length=4),)),
            note("five!"),
            "invalid: the content of kind 1 may have 4 characters here",
        ),
        (
            EventRules(rules=(KindRule(kinds=(1,), tags=0),)),
            note(tags=(("t", "x"),)),
            "invalid: an event of kind 1 may have 0 tags here",
        ),
        (EventRules(rules=(KindRule(kinds=(1,), tags=1, content_length=9),)), note("fine"), ""),
    ],
)
def test_lists(settings: EventRules, event: Event, reason: str) -> None:
    verdict = all_of(lists(settings))(IncomingEvent(event, NOW))
    assert (verdict.accepted, verdict.reason) == (not reason, reason)


def test_what_no_list_of_kinds_keeps_out() -> None:
    assert all_of(lists(EventRules(kinds=(7,)), always=(62,)))(
        IncomingEvent(note(kind=62), NOW)
    ).accepted


def test_nothing_set_is_no_policy() -> None:
    assert lists(EventRules()) == []


def test_words() -> None:
    check = without_words(["Casino", "free   money"])
    for text in ("visit my CASINO now", "get free money!", "\u200bCas\u200bino"):
        assert check(IncomingEvent(note(text), NOW)).reason.startswith("blocked: ")
    for text in ("casinos are many", "freedom and money", ""):
        assert check(IncomingEvent(note(text), NOW)).accepted
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
    check = work(6)
    assert check(IncomingEvent(mined(6), NOW)).accepted
    assert check(IncomingEvent(mined(8), NOW)).accepted
    reason = check(IncomingEvent(note(), NOW)).reason
    assert reason == 'pow: 6 bits of work are wanted, named in a "nonce" tag'
    lucky = check(IncomingEvent(mined(6, aim=2), NOW)).reason
    assert lucky == "pow: 6 bits of work are wanted, and 2 were aimed at"
    idle = note(tags=(("nonce", "0", "200"),))
    assert check(IncomingEvent(idle, NOW)).reason.startswith(
        "pow: 6 bits of work are wanted, and the id"
    )


def test_work_of_kinds_and_exemptions() -> None:
    check = work(0, {7: 6})
    assert check(IncomingEvent(note(), NOW)).accepted
    assert not check(IncomingEvent(note(kind=7), NOW)).accepted
    assert check(IncomingEvent(mined(6, kind=7), NOW)).accepted
    spared = work(20, exempt=lambda offer: offer.event.pubkey == ME)
    assert spared(IncomingEvent(note(), NOW)).accepted
    assert not spared(IncomingEvent(note(key=OTHER), NOW)).accepted
