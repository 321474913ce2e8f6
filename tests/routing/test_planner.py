"""Plans, with nothing behind them: who gets an event, who is asked for whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from nostr_client.net.report import Left
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.planner import (
    CAPS,
    Audience,
    Caps,
    ClientRelays,
    PersonRelays,
    addressed,
    left_out,
    mentioned,
    plan_publish,
    replied_author,
)

KEY = SecretKey.from_hex("1" * 64)
ME = KEY.public_key.hex
BEN, CY, DEE = ("b" * 64, "c" * 64, "d" * 64)
OWN = "ws://127.0.0.1:7777"
OURS = ClientRelays(
    fallback=("wss://f1.example", "wss://f2.example"),
    indexers=("wss://index.example",),
    known=("wss://k1.example", "wss://k2.example"),
    own_relay=OWN,
)


def event(kind: int = 1, tags: Tags = (), content: str = "x") -> Event:
    return Draft(kind, content, tags).sign(KEY, 1_700_000_000)


def listed(pubkey: str, write: str, read: str = "") -> PersonRelays:
    return PersonRelays(pubkey, urls(write), urls(read), source="list")


def urls(names: str) -> tuple[str, ...]:
    return tuple(f"wss://{name}.example" for name in names.split())


ANA = listed(ME, "a1 a2", "a2 a3")


def publish(
    event: Event,
    author: PersonRelays,
    people: Mapping[str, PersonRelays],
    ours: ClientRelays,
    *,
    copies: Sequence[str] = (),
    inboxes: Mapping[str, Sequence[str]] | None = None,
    avoid: Collection[str] = (),
    caps: Caps = CAPS,
) -> tuple[str, ...]:
    audience = Audience(author, people, copies, inboxes or {})
    return plan_publish(event, audience, ours, avoid=avoid, caps=caps)


def test_a_request_to_vanish_goes_where_it_names_and_nowhere_else() -> None:
    one = event(kinds.VANISH, (("relay", "wss://x.example"), ("p", BEN)))
    people = {BEN: listed(BEN, "b1")}
    assert publish(one, ANA, people, OURS, copies=urls("x")) == urls("x")
    assert publish(one, ANA, people, OURS, copies=[OWN]) == ()
    every = event(kinds.VANISH, (("relay", "ALL_RELAYS"),))
    assert publish(every, ANA, {}, OURS, copies=urls("y a1"), avoid=urls("f2")) == urls(
        "y a1 a2 a3 f1 index k1 k2"
    )


def test_a_protected_event_goes_where_its_author_may_be_known_alone() -> None:
    note, protected = event(tags=(("p", BEN),)), event(tags=(("-",), ("p", BEN)))
    people = {BEN: listed(BEN, "", "b1 b2")}
    audience = Audience(ANA, people, logins=frozenset({*urls("a1 b2"), OWN}))
    assert plan_publish(protected, audience, OURS) == (OWN, *urls("a1 b2"))
    assert set(urls("a2 b1")) < set(plan_publish(note, audience, OURS))
    assert plan_publish(protected, replace(audience, logins=frozenset()), OURS) == ()


def test_a_note_goes_to_the_own_relay_and_where_its_author_writes() -> None:
    assert publish(event(), ANA, {}, OURS) == (OWN, *urls("a1 a2"))


def test_without_an_own_relay_nothing_stands_in_for_it() -> None:
    assert publish(event(), ANA, {}, ClientRelays()) == urls("a1 a2")


def test_the_mentioned_get_it_where_they_read() -> None:
    note = event(tags=(("p", BEN), ("p", CY), ("p", ME)))
    assert mentioned(note) == (BEN, CY)
    people = {BEN: listed(BEN, "b1", "b2 b3"), CY: listed(CY, "", "c1")}
    plan = publish(note, ANA, people, OURS)
    assert plan[:3] == (OWN, *urls("a1 a2"))
    assert set(plan[3:]) == set(urls("b2 b3 c1"))


def test_what_is_no_key_is_nobody() -> None:
    """A relay would refuse the whole question for relay lists that names it."""
    tags = (("p", BEN), ("p", "Z" * 64), ("p", "B" * 64), ("p", "ben"), ("p", ""))
    assert mentioned(event(tags=tags)) == (BEN,)
    assert replied_author(event(kinds.REACTION, tags)) == BEN


def test_a_relay_that_serves_many_of_the_mentioned_comes_first() -> None:
    people = {
        BEN: listed(BEN, "", "b1 shared"),
        CY: listed(CY, "", "c1 shared"),
        DEE: listed(DEE, "", "d1 shared"),
    }
    plan = publish(event(), ANA, people, OURS, caps=Caps(mentioned_total=1))
    assert plan[3:] == urls("shared")


def test_the_mentioned_are_served_in_rounds_and_capped() -> None:
    crowd = {f"{n:064x}": listed(f"{n:064x}", "", f"r{n}x r{n}y r{n}z r{n}w") for n in range(40)}
    plan = publish(event(), ANA, crowd, OURS)[3:]
    assert len(plan) == CAPS.mentioned_total
    assert (
        len({url.removeprefix("wss://").partition(".")[0][:-1] for url in plan})
        == CAPS.mentioned_total
    )


def test_one_person_gets_only_so_many() -> None:
    people = {BEN: listed(BEN, "", "b1 b2 b3 b4 b5 b6")}
    assert len(publish(event(), ANA, people, OURS)[3:]) == CAPS.mentioned_each


@pytest.mark.parametrize("kind", [kinds.FOLLOWS, kinds.MUTES, 30000, kinds.DELETION])
def test_entries_of_lists_and_deletions_are_not_addressed(kind: int) -> None:
    assert mentioned(event(kind, (("d", "x"), ("p", BEN)))) == ()


def test_who_has_no_list_writes_to_the_clients_relays_and_where_they_were_seen() -> None:
    hinted = PersonRelays(ME, urls("h1"), urls("h1"), source="hint", hints=urls("h1"))
    assert publish(event(), hinted, {}, OURS) == (OWN, *OURS.fallback, *urls("h1"))
    assert publish(event(), PersonRelays(ME), {}, OURS) == (OWN, *OURS.fallback)


def test_a_list_that_is_empty_on_purpose_leaves_the_own_relay_alone() -> None:
    nowhere = listed(ME, "")
    for kind in (kinds.NOTE, kinds.METADATA, kinds.FOLLOWS, kinds.RELAY_LIST, kinds.DM_RELAYS):
        assert publish(event(kind), nowhere, {}, OURS) == (OWN,)
    ben = {BEN: listed(BEN, "", "b1")}
    assert publish(event(), nowhere, ben, OURS) == (OWN, *urls("b1"))


@pytest.mark.parametrize("kind", [kinds.METADATA, kinds.FOLLOWS])
def test_profile_and_follow_list_go_to_the_indexers_too(kind: int) -> None:
    assert publish(event(kind), ANA, {}, OURS) == (OWN, *urls("a1 a2 index"))


def test_a_note_never_goes_to_an_indexer() -> None:
    assert "wss://index.example" not in publish(event(), ANA, {}, OURS)


def test_the_relay_list_goes_everywhere_we_know() -> None:
    plan = publish(event(kinds.RELAY_LIST), ANA, {}, OURS)
    assert set(plan) == {OWN, *urls("a1 a2 a3 index f1 f2 k1 k2")}


def test_a_deletion_goes_after_its_copies() -> None:
    gone = event(kinds.DELETION, (("e", "0" * 64), ("p", BEN)))
    plan = publish(gone, ANA, {}, OURS, copies=urls("x1 a1 x2"))
    assert plan == (OWN, *urls("a1 a2 x1 x2"))


def test_a_gift_wrap_goes_to_the_inbox_and_nowhere_else() -> None:
    wrap = event(kinds.GIFT_WRAP, (("p", BEN),))
    people = {BEN: listed(BEN, "b1", "b2")}
    plan = publish(wrap, ANA, people, OURS, inboxes={BEN: urls("dm1 dm2")})
    assert plan == urls("dm1 dm2")
    assert publish(wrap, ANA, people, OURS) == ()


@pytest.mark.parametrize("kind", [kinds.AUTH, kinds.SEAL])
def test_some_kinds_never_go_out(kind: int) -> None:
    assert publish(event(kind), ANA, {}, OURS) == ()


def test_what_is_avoided_is_left_out_and_replaced_when_scarce() -> None:
    ana = listed(ME, "a1 a2 a3")
    plan = publish(event(), ana, {}, OURS, avoid=urls("a1 a2"))
    assert plan == (OWN, *urls("a3 f1 f2"))
    assert publish(event(), ana, {}, OURS, avoid=[OWN]) == urls("a1 a2 a3")


def test_ten_dead_relays_before_a_live_one_do_not_hide_it() -> None:
    names = " ".join(f"dead{n}" for n in range(12))
    ana = listed(ME, f"{names} live", "")
    ours = replace(OURS, down=frozenset(urls(names)))
    assert publish(event(), ana, {}, ours) == (OWN, *urls("live f1 f2"))
    ben = {BEN: listed(BEN, "", f"{names} b1")}
    assert publish(event(), listed(ME, "a1"), ben, ours) == (OWN, *urls("a1 b1"))
    wrap = event(kinds.GIFT_WRAP, (("p", BEN),))
    boxes = {BEN: urls(f"{names} b1")}
    assert publish(wrap, PersonRelays(ME), {}, ours, inboxes=boxes) == urls("b1")


def test_what_belongs_into_a_private_network_stays_there() -> None:
    home = PersonRelays(ME, ("ws://10.0.0.2:7777", "ws://10.0.0.3:7777"), source="list")
    down = frozenset({"ws://10.0.0.2:7777"})
    assert publish(event(), home, {}, replace(OURS, down=down)) == (OWN, home.write[1])
    near = replace(OURS, fallback=("wss://f1.example", "ws://nas.local"), down=down)
    assert publish(event(), home, {}, near) == (OWN, home.write[1], "ws://nas.local")


# Whom an event addresses


def test_whoever_is_answered_gets_it_at_all_relays_where_they_read() -> None:
    read = " ".join(f"b{n}" for n in range(9))
    people = {BEN: listed(BEN, "", read), CY: listed(CY, "", "c1 c2 c3 c4 c5")}
    tags = (("p", BEN), ("p", CY))
    parent = ("e", "0" * 64, "", "root", BEN)
    reply = event(tags=(parent, *tags))
    assert replied_author(reply) == BEN
    assert set(urls(read)) < set(publish(reply, ANA, people, OURS))
    assert len(set(urls("c1 c2 c3 c4 c5")) & set(publish(reply, ANA, people, OURS))) == 3
    for kind in (kinds.REACTION, kinds.REPOST, kinds.GENERIC_REPOST, kinds.COMMENT):
        about = event(kind, (("e", "0" * 64), ("p", CY), ("p", BEN)))
        assert replied_author(about) == BEN
        assert set(urls(read)) < set(publish(about, ANA, people, OURS))
    assert replied_author(event(tags=tags)) == ""
    assert replied_author(event(kinds.REACTION)) == ""
    assert replied_author(event(tags=(("e", "0" * 64, "", "root", ME),))) == ""


def test_of_others_those_followed_count_first_and_ten_are_enough() -> None:
    crowd = [f"{n:064x}" for n in range(30)]
    note = event(tags=tuple(("p", p) for p in (*crowd, BEN, CY)))
    assert addressed(note, {CY, BEN}) == (BEN, CY, *crowd[:8])
    assert addressed(note, set(crowd)) == tuple(crowd)
    reply = event(tags=(("e", "0" * 64, "", "root", DEE), ("p", DEE), *note.tags))
    assert addressed(reply, ()) == (DEE, *crowd[:10])


def test_it_is_said_who_is_left_out_and_why() -> None:
    crowd = [f"{n:064x}" for n in range(11)]
    note = event(tags=(("p", BEN), *(("p", p) for p in crowd)))
    chosen = addressed(note, {BEN})
    people = {p: listed(p, "", f"r{p[-1]}") for p in chosen} | {BEN: PersonRelays(BEN)}
    plan = publish(note, ANA, people, OURS)
    assert left_out(note, Audience(ANA, people), plan) == {
        BEN: Left.UNKNOWN,
        crowd[9]: Left.TOO_MANY,
        crowd[10]: Left.TOO_MANY,
    }
