"""Who is told who we are: the rules as a table, and the purposes in words."""

from __future__ import annotations

import pytest

from nostr_client.net.session.pending import Purpose
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing.auth_policy import AuthFacts, AuthVerdict, judge_demand, purpose_words
from tests.routing.rooms import ANA, BEN, CY, signed

YES, SAID_ONCE, ASK, NO = AuthVerdict
ME, BEN_KEY, CY_KEY = (key.public_key.hex for key in (ANA, BEN, CY))


@pytest.mark.parametrize(
    ("facts", "word", "verdict"),
    [
        (AuthFacts(own=True), None, YES),
        (AuthFacts(own=True, writes=True), None, YES),
        (AuthFacts(own=True, writes=True, inbox=True), None, YES),
        (AuthFacts(own=True), False, NO),
        (AuthFacts(writes=True, inbox=True), None, SAID_ONCE),
        (AuthFacts(writes=True, inbox=True), False, NO),
        (AuthFacts(writes=True, inbox=True), True, YES),
        (AuthFacts(writes=True, in_use=True), None, NO),
        (AuthFacts(writes=True), True, YES),
        (AuthFacts(in_use=True), None, ASK),
        (AuthFacts(in_use=True), True, YES),
        (AuthFacts(in_use=True), False, NO),
        (AuthFacts(), None, NO),
        (AuthFacts(), True, YES),
    ],
)
def test_who_is_told(facts: AuthFacts, word: bool | None, verdict: AuthVerdict) -> None:
    assert judge_demand(facts, word) is verdict


@pytest.mark.parametrize(
    ("purpose", "words"),
    [
        (signed(ANA), "to send a note"),
        (signed(CY, kinds.GIFT_WRAP), "to send a private message"),
        (signed(ANA, 30023), "to send an event of kind 30023"),
        ((Filter.of(kinds=[1, 6, 30023], authors=[BEN_KEY]),), "to read notes of ben"),
        (
            (Filter.of(kinds=[0], authors=[BEN_KEY]), Filter.of(kinds=[1], authors=[CY_KEY, ME])),
            "to read profiles and notes of cy, ben",
        ),
        (
            (Filter.of(kinds=[1], authors=[f"{i:064x}" for i in range(9)]),),
            "to read notes of x, x, x and 6 more",
        ),
        ((Filter.from_dict({"kinds": [1], "#p": [ME]}),), "to read notes to you"),
        ((Filter.from_dict({"kinds": [1059], "#p": [ME]}),), "to read private messages to you"),
        ((Filter.from_dict({"kinds": [3], "#p": [ME]}),), "to read lists that name you"),
        ((Filter.of(ids=["0" * 64]),), "to read single events"),
        ((Filter.of(kinds=[7777]),), "to read events"),
    ],
)
def test_what_it_is_wanted_for(purpose: Purpose, words: str) -> None:
    names = {BEN_KEY: "ben", CY_KEY: "cy"}
    assert purpose_words(purpose, ME, lambda pubkey: names.get(pubkey, "x")) == words
