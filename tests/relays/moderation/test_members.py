"""Members, roles and invites (NIP-43)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import Any

import pytest

from nostr_client.errors import InvalidData, StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import INVITE, JOIN, LEAVE
from relays.config.relay_config import Membership
from relays.moderation import audit_log, invites
from relays.moderation.members import MOST_LISTED, Members
from relays.moderation.roster import Role
from relays.policies.verdict import IncomingEvent, IncomingQuery, Verdict
from tests.relays.desk import Desk, OpenDesk
from tests.relays.talk import KEY, NOW, OTHER, note

ME = KEY.public_key.hex
ADMIN = OTHER.public_key.hex
THIRD = SecretKey(b"\x05" * 32)
DAY = 86400.0


def offer(event: Event, **options: Any) -> IncomingEvent:
    return IncomingEvent(event, options.pop("now", NOW), **options)


def join(code: str, key: SecretKey = KEY, at: int = NOW) -> IncomingEvent:
    tags = (("-",), ("claim", code))
    return offer(note("", kind=JOIN, tags=tags, key=key, at=at))


def incoming_query(*filters: Filter, keys: tuple[str, ...] = ()) -> IncomingQuery:
    return IncomingQuery("REQ", filters, NOW, keys=frozenset(keys))


INVITES = Filter.of(kinds=[INVITE])


async def published(desk: Desk, *kinds: int) -> list[Event]:
    wanted = Filter.of(authors=[desk.state.pubkey], kinds=kinds)
    events = await desk.store.query([wanted])
    assert all(event.verify() for event in events)
    return events


async def listed(desk: Desk) -> tuple[tuple[str, ...], ...]:
    """The member tags of the list as it is published."""
    [event] = await published(desk, 13534)
    assert event.tags[0] == ("-",)
    return event.tags[1:]


async def test_whoever_knows_a_code_becomes_a_member(desk: Desk) -> None:
    members = desk.actions.members
    code = await members.invite(by="olga", seconds=DAY)
    assert not members.include(ME)
    assert await members.join(join(code)) == Verdict(True, "info: welcome")
    assert members.include(ME)
    assert await listed(desk) == (("member", ME),)
    [added] = await published(desk, 8000)
    assert added.tags == (("-",), ("p", ME))
    assert (await members.join(join(code))).reason.startswith("duplicate:")
    used_up = await members.join(join(code, THIRD))
    assert used_up == Verdict(False, "restricted: that invite code is used up")
    [member] = await members.listed()
    assert (member.by, member.at) == ("olga", NOW)


async def test_codes_that_are_not_good(open_desk: OpenDesk) -> None:
    clock = [NOW]
    desk = await open_desk(clock=lambda: clock[0])
    members = desk.actions.members
    code = await members.invite(by="olga", seconds=60)
    for bad in ("", "x", code[:-1], code.upper() + "0", "\ud83d" + code):
        event = note("", kind=JOIN, tags=(("claim", bad),)) if bad.isascii() else note(kind=JOIN)
        verdict = await members.join(offer(event))
        assert verdict == Verdict(False, "restricted: that is an invalid invite code")
    old = await members.join(join(code, at=NOW - 301))
    assert old.reason.startswith("invalid: created_at")
    clock[0] = NOW + 61
    late = offer(join(code).event, now=NOW + 61)
    assert (await members.join(late)).reason == "restricted: that invite code is expired"
    assert await members.listed() == []


async def test_an_invite_for_several_with_a_role(desk: Desk) -> None:
    members = desk.actions.members
    await members.put_role(Role("28b7e50f", "king", color=37, place=1), by="olga", new=True)
    code = await members.invite(by="olga", seconds=DAY, uses=2, role="28b7e50f")
    [invite] = await members.invites()
    assert (invite.uses, invite.used, invite.role, invite.by) == (2, 0, "28b7e50f", "olga")
    assert code not in repr(invite)
    results = await asyncio.gather(*(members.join(join(code, key)) for key in (KEY, OTHER, THIRD)))
    assert sorted(verdict.accepted for verdict in results) == [False, True, True]
    assert {tag[2] for tag in await listed(desk)} == {"28b7e50f"}
    assert await members.invites() == []


async def test_codes_are_not_kept(desk: Desk) -> None:
    code = await desk.actions.members.invite(by="olga", seconds=DAY)
    with contextlib.closing(sqlite3.connect(desk.folder / "keeper.db")) as db:
        assert code not in "\n".join(db.iterdump())


async def test_an_invite_outlives_its_role(desk: Desk) -> None:
    members = desk.actions.members
    await members.put_role(Role("28b7e50f"), by="olga", new=True)
    code = await members.invite(by="olga", seconds=DAY, role="28b7e50f")
    await members.delete_role("28b7e50f", by="olga")
    assert (await members.join(join(code))).accepted
    assert desk.state.roster.members == {ME: ()}


async def test_invites_of_one_maker_are_bounded_and_can_be_taken_back(desk: Desk) -> None:
    members = desk.actions.members
    codes = [await members.invite(by="olga", seconds=DAY) for _ in range(invites.MOST_OPEN + 3)]
    found = await members.invites()
    assert len(found) == invites.MOST_OPEN
    other = await members.invite(by="max", seconds=DAY)
    assert await members.revoke(found[0].id, by="olga")
    assert not await members.revoke(found[0].id, by="olga")
    assert (await members.join(join(other))).accepted
    lasting = [{"seconds": seconds} for seconds in (0, float("nan"), float("inf"), 1e17)]
    for wrong in ({"uses": 0}, {"uses": 10**9}, *lasting, {"role": "none"}):
        with pytest.raises(InvalidData):
            await members.invite(**({"by": "olga", "seconds": DAY} | wrong))  # type: ignore[arg-type]
    assert len(set(codes)) == len(codes)


async def test_who_leaves(desk: Desk) -> None:
    members = desk.actions.members
    await members.add(ME, by="olga")
    bare = offer(note("", kind=LEAVE))
    assert (await members.leave(bare)).reason.startswith("invalid:")
    go = offer(note("", kind=LEAVE, tags=(("-",),)))
    assert (await members.leave(go)).accepted
    assert not members.include(ME)
    assert await listed(desk) == ()
    [removed] = await published(desk, 8001)
    assert removed.tags == (("-",), ("p", ME))
    assert (await members.leave(go)).reason.startswith("duplicate:")
    old = offer(note("", kind=LEAVE, tags=(("-",),), at=NOW - 301))
    assert (await members.leave(old)).reason.startswith("invalid:")


async def test_without_members_nothing_is_published(open_desk: OpenDesk) -> None:
    desk = await open_desk(Membership())
    members = desk.actions.members
    await members.add(ME, by="olga")
    for kind, handler in members.handlers.items():
        verdict = await handler(offer(note("", kind=kind, tags=(("-",), ("claim", "x")))))
        assert verdict == Verdict(False, "restricted: this relay has no members")
    await members.settle()
    assert await desk.store.query([Filter()]) == []
    assert members.check_query(incoming_query(INVITES)).accepted
    assert await members.invite_for(incoming_query(INVITES, keys=(ADMIN,))) is None


async def test_who_gets_invites(desk: Desk) -> None:
    members = desk.actions.members
    await members.add(ME, by="olga")
    assert members.check_query(incoming_query(INVITES)).reason.startswith("auth-required:")
    assert members.check_query(incoming_query(INVITES, keys=(ME,))).reason.startswith("restricted:")
    assert await members.invite_for(incoming_query(INVITES, keys=(ME,))) is None
    event = await members.invite_for(incoming_query(Filter.of(kinds=[1]), INVITES, keys=(ADMIN,)))
    assert event is not None
    assert event.verify()
    assert (event.kind, event.pubkey, event.tags[0]) == (INVITE, desk.state.pubkey, ("-",))
    assert (await members.join(join(event.value("claim") or "", THIRD))).accepted
    members.reconfigure(Membership(enabled=True, invites_by="members"))
    assert members.check_query(incoming_query(INVITES, keys=(ME,))).accepted
    assert await members.invite_for(incoming_query(INVITES, keys=(ME,))) is not None
    for none in (
        Filter(),
        Filter.of(kinds=[INVITE], limit=0),
        Filter.of(kinds=[INVITE], authors=[]),
    ):
        assert await members.invite_for(incoming_query(none, keys=(ME,))) is None
    assert await desk.store.query([INVITES]) == []


async def test_roles(desk: Desk) -> None:
    members = desk.actions.members
    role = Role("king", "King", "rules", 37, 1)
    await members.put_role(role, by="olga", new=True)
    [event] = await published(desk, 33534)
    assert event.tags == (
        *(("-",), ("d", "king"), ("label", "King"), ("description", "rules")),
        *(("color", "37"), ("order", "1")),
    )
    with pytest.raises(InvalidData, match="exists"):
        await members.put_role(role, by="olga", new=True)
    with pytest.raises(InvalidData, match="does not exist"):
        await members.put_role(Role("queen"), by="olga", new=False)
    await members.put_role(Role("king", "Queen"), by="olga", new=False)
    [event] = await published(desk, 33534)
    assert event.value("label") == "Queen"
    with pytest.raises(InvalidData, match="no member"):
        await members.assign(ME, "king", by="olga")
    await members.add(ME, by="olga")
    with pytest.raises(InvalidData, match="no such role"):
        await members.assign(ME, "none", by="olga")
    await members.assign(ME, "king", by="olga")
    assert await listed(desk) == (("member", ME, "king"),)
    await members.unassign(ME, "king", by="olga")
    assert await listed(desk) == (("member", ME),)
    with pytest.raises(InvalidData, match="does not have"):
        await members.unassign(ME, "king", by="olga")
    await members.assign(ME, "king", by="olga")
    await members.delete_role("king", by="olga")
    assert await listed(desk) == (("member", ME),)
    assert await published(desk, 33534) == []
    with pytest.raises(InvalidData, match="does not exist"):
        await members.delete_role("king", by="olga")
    await members.put_role(role, by="olga", new=True)
    assert len(await published(desk, 33534)) == 1


async def test_the_newest_list_is_the_true_one(open_desk: OpenDesk) -> None:
    """However two processes change members within one second."""
    one, two = await open_desk(), await open_desk()
    keys = [f"{n:064x}" for n in range(12)]
    await asyncio.gather(
        *((one if n % 2 else two).actions.members.add(key, by="k") for n, key in enumerate(keys))
    )
    assert {tag[1] for tag in await listed(one)} == set(keys)
    assert len(await published(one, 8000)) == 12


async def test_what_was_not_published_is_at_the_start(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = desk.actions.members
    save = desk.store.save

    async def fails(_: object) -> list[object]:
        raise StoreError("the disk is full")

    monkeypatch.setattr(desk.store, "save", fails)
    with pytest.raises(StoreError):
        await members.add(ME, by="olga")
    with pytest.raises(StoreError):
        await members.put_role(Role("king"), by="olga", new=True)
    code = await members.invite(by="olga", seconds=DAY)
    assert (await members.join(join(code, THIRD))).reason.startswith("error:")
    monkeypatch.setattr(desk.store, "save", save)
    await members.settle()
    assert len(await listed(desk)) == 2
    [list_event] = await published(desk, 13534)
    assert len(await published(desk, 33534)) == 1
    await members.settle()
    assert await published(desk, 13534) == [list_event]


async def test_a_list_that_is_too_long_has_those_who_came_first(desk: Desk) -> None:
    rows = [(f"{n:064x}", "", "k", n) for n in range(MOST_LISTED + 5)]
    with sqlite3.connect(desk.folder / "keeper.db") as db:
        db.executemany("INSERT INTO member VALUES (?, ?, ?, ?)", rows)
    db.close()
    await desk.actions.members.settle()
    tags = await listed(desk)
    assert len(tags) == MOST_LISTED
    assert tags[0][1] == "0" * 64


async def test_a_ban_ends_membership_and_a_welcome_ends_a_ban(desk: Desk) -> None:
    actions = desk.actions
    assert await actions.allow_pubkey(ME, by="olga", reason="a friend")
    assert not await actions.allow_pubkey(ME, by="olga")
    await actions.ban_pubkey(ME, by="olga")
    assert not actions.members.include(ME)
    assert await listed(desk) == ()
    assert await actions.allow_pubkey(ME, by="olga")
    assert ME not in desk.state.bans.pubkeys
    assert await actions.unallow_pubkey(ME, by="olga")
    lines = [line async for line in desk.actions.log()]
    said = [audit_log.read_entry(event).action for event in audit_log.verified(lines)]
    assert said == [
        *("add-member", "ban-pubkey", "remove-member", "unban-pubkey", "add-member"),
        "remove-member",
    ]


async def test_members_alone_need_a_store_and_a_keeper(desk: Desk) -> None:
    members = Members(desk.state, desk.store, Membership(enabled=True))
    assert members.include(desk.state.pubkey)
    assert not members.include(ADMIN)
