"""Several devices change one list at once: nothing of any of them is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.routing import list_guard
from nostr_client.routing.concurrent_edits import ConcurrentEdits, change_between
from nostr_client.routing.list_guard import Change, ListGuard
from nostr_client.routing.list_reading import ListReader
from nostr_client.signing.local_signer import LocalSigner
from tests.routing.moody import LIMIT, Relay
from tests.routing.rooms import ANA, START, relay_list, rooms, signed

ME = ANA.public_key.hex
NOW = START + 1_000


class Slow(LocalSigner):
    """It signs after `meanwhile`, the first time."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def sign(self, draft: Draft) -> Event:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await super().sign(draft)


@asynccontextmanager
async def device(folder: Path, *urls: str, at: int = NOW) -> AsyncIterator[tuple[ListGuard, Slow]]:
    async with rooms(folder) as r:
        r.clock.now = at
        await r.store.save([relay_list(ANA, *urls, at=1)])
        signer = Slow(ANA, r.clock)
        guard = ListGuard(ListReader(r.courier, pubkey=ME, folder=folder), signer, clock=r.clock)
        yield guard, signer


def person(name: str) -> tuple[str, str]:
    return ("p", name.encode().hex().ljust(64, "0"))


def follows(*names: str, at: int = START) -> Event:
    return signed(ANA, kinds.FOLLOWS, tags=tuple(map(person, names)), at=at)


def adding(name: str) -> Change:
    def change(last: Event | None) -> Draft | None:
        tags = last.tags if last else ()
        if person(name) in tags:
            return None
        return Draft(kinds.FOLLOWS, last.content if last else "", (*tags, person(name)))

    return change


def naming(field: str, value: str) -> Change:
    def change(last: Event | None) -> Draft | None:
        fields = json.loads(last.content) if last else {}
        if fields.get(field) == value:
            return None
        return Draft(
            kinds.METADATA, json.dumps({**fields, field: value}), last.tags if last else ()
        )

    return change


def newest(relay: Relay, kind: int) -> Event:
    (event,) = [event for event in relay.held if event.kind == kind]
    return event


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_guard, "AGAIN", 0.02)


@pytest.mark.slow
async def test_four_devices_follow_five_each_and_none_is_lost(tmp_path: Path) -> None:
    """All within one second, so that the lower id decides."""
    names = [[f"{d}.{n}" for n in range(5)] for d in range(4)]
    async with Relay(follows("z")) as one, Relay(follows("z")) as two, AsyncExitStack() as stack:

        async def work(guard: ListGuard, mine: list[str]) -> None:
            for name in mine:
                done = await guard.edit(kinds.FOLLOWS, adding(name))
                assert done is None or not done[1].overtaken

        guards = [
            (await stack.enter_async_context(device(tmp_path / str(d), one.url, two.url)))[0]
            for d in range(4)
        ]
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for guard, mine in zip(guards, names, strict=True):
                group.create_task(work(guard, mine))
        wanted = {person("z"), *(person(name) for mine in names for name in mine)}
        for relay in (one, two):
            assert set(newest(relay, kinds.FOLLOWS).tags) == wanted


@pytest.mark.parametrize("later", [0, 5])
async def test_who_replaced_a_version_unread_carries_its_change_over(
    tmp_path: Path, later: int
) -> None:
    """The other device has read its version back, was content, and has gone."""
    before = follows("b")
    async with (
        Relay(before) as relay,
        device(tmp_path / "one", relay.url) as (one, _),
        device(tmp_path / "two", relay.url, at=NOW + later) as (two, signer),
    ):
        signer.meanwhile = lambda: one.edit(kinds.FOLLOWS, adding("one"))
        done = await two.edit(kinds.FOLLOWS, adding("two"))
        assert done is not None
        assert not done[1].overtaken
        tags = newest(relay, kinds.FOLLOWS).tags
        assert set(tags) == {person("b"), person("one"), person("two")}
        assert len(tags) == 3


async def test_a_profile_keeps_what_both_devices_changed(tmp_path: Path) -> None:
    before = signed(ANA, kinds.METADATA, '{"name":"ana","bot":false}')
    async with (
        Relay(before) as relay,
        device(tmp_path / "one", relay.url) as (one, _),
        device(tmp_path / "two", relay.url, at=NOW + 5) as (two, signer),
    ):
        signer.meanwhile = lambda: one.edit(kinds.METADATA, naming("name", "anna"))
        await two.edit(kinds.METADATA, naming("about", "words"))
        fields = json.loads(newest(relay, kinds.METADATA).content)
        assert fields == {"name": "anna", "about": "words", "bot": False}


async def test_what_another_device_removed_stays_removed(tmp_path: Path) -> None:
    async with (
        Relay(follows("b", "c")) as relay,
        device(tmp_path / "one", relay.url) as (one, _),
        device(tmp_path / "two", relay.url, at=NOW + 5) as (two, signer),
    ):
        signer.meanwhile = lambda: one.edit(
            kinds.FOLLOWS,
            lambda _: Draft(kinds.FOLLOWS, "", (person("c"),)),
            removes=[person("b")],
        )
        await two.edit(kinds.FOLLOWS, adding("d"))
        assert set(newest(relay, kinds.FOLLOWS).tags) == {person("c"), person("d")}


def test_the_newest_that_is_older_was_replaced() -> None:
    base, first, second = follows("b"), follows("b", "c", at=NOW), follows("b", "d", at=NOW + 1)
    ours, later, older = follows("b", "e", at=NOW + 2), follows(at=NOW + 3), follows(at=START - 1)
    others = ConcurrentEdits()
    for event in (older, base, second, first, ours, later):
        others.observe(event)
    others.mark_known(base, ours)
    assert others.replaced(base, ours) == second
    others.mark_known(second)
    assert others.replaced(base, ours) == first
    others.mark_known(first)
    assert others.replaced(base, ours) is None


@pytest.mark.parametrize(
    ("base", "theirs", "ours", "merged"),
    [
        ("", "", "", ""),
        ("a", "a", "b", "b"),
        ("a", "b", "a", "b"),
        ("a", "b", "c", "c"),  # no object: ours stays, whole
        ('{"a":1}', '{"a":2}', '{"a":1,"b":3}', '{"a":2,"b":3}'),
        ('{"a":1,"b":1}', '{"b":1}', '{"a":1,"b":2}', '{"b":2}'),
        ("", '{"a":1.50}', '{"b":2}', '{"b":2,"a":1.50}'),
        ("{}", '{"a":1', '{"b":2}', '{"b":2}'),
    ],
)
def test_contents_are_merged_whole_or_by_fields(
    base: str, theirs: str, ours: str, merged: str
) -> None:
    before, other, mine = (
        signed(ANA, kinds.METADATA, text, at=START + 100 * n)
        for n, text in enumerate((base, theirs, ours))
    )
    assert change_between(before, other)(mine).content == merged


def test_among_several_within_seconds_only_what_is_new_is_carried_over() -> None:
    """What theirs lacks may be what it was not built on."""
    base = signed(ANA, kinds.METADATA, '{"a":2,"b":1}', tags=(("x", "1"),), at=NOW)
    theirs = signed(ANA, kinds.METADATA, '{"a":1,"c":3}', tags=(("x", "2"),), at=NOW + 1)
    ours = signed(ANA, kinds.METADATA, '{"a":2,"b":1,"d":4}', tags=base.tags, at=NOW + 2)
    both = change_between(base, theirs)(ours)
    assert json.loads(both.content) == {"a": 2, "b": 1, "c": 3, "d": 4}
    assert both.tags == (("x", "1"), ("x", "2"))
