"""All policies together: their order, what imports and requests to vanish pass, and reloading."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import ConfigError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import EventStore
from nostr_client.store.opening import open_store
from relays.config.relay_config import RelayConfig, assemble
from relays.config.sub_relays import sub_relays
from relays.policies.chain import Policies, open_policies
from relays.policies.ruleset import ModerationHooks, Rules
from relays.policies.vanishing import KEPT_BYTES, RATE
from relays.policies.verdict import ACCEPTED, IncomingEvent, IncomingQuery, SourceType, refused
from tests.relays.talk import KEY, NOW, OTHER, note
from tests.waiting import until

URL = "wss://relay.example"
ME, OTHERS = KEY.public_key.hex, OTHER.public_key.hex
STRANGER = SecretKey(b"\x33" * 32)
VANISH = (("relay", URL),)
NEVER = {
    "access": {"write": "nobody"},
    "events": {"work": 200, "kinds": [5], "authors": [OTHERS], "words": ["hello"]},
    "rates": {"events": {"address": "1/day"}},
    "limits": {"created_at_behind": 10},
}

Open = Callable[..., AbstractAsyncContextManager[Policies]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EventStore]:
    async with open_store(tmp_path / "events.db") as opened:
        yield opened


@pytest.fixture
def opened(store: EventStore) -> Open:
    def open(**given: Any) -> AbstractAsyncContextManager[Policies]:
        return open_policies(store, urls=frozenset({URL}), clock=lambda: NOW, **given)

    return open


def config(table: dict[str, Any]) -> RelayConfig:
    made, problems = assemble(table)
    assert not problems
    return made


def said(rules: Rules, event: Event, **fields: Any) -> str:
    return rules.check(IncomingEvent(event, NOW, **fields)).reason


async def test_open_refuses_no_more_than_the_form(opened: Open) -> None:
    async with opened() as policies:
        rules = policies.rules(RelayConfig())
    assert (rules.check_query, rules.check_async, rules.on_served) == (None, None, None)
    assert not rules.greets
    assert said(rules, note()) == ""
    assert said(rules, note(kind=22242)).startswith("invalid: ")
    assert said(rules, note(at=NOW + 1000)).startswith("invalid: ")
    assert said(rules, note(tags=(("-",),))).startswith("auth-required: ")


async def test_where_anyone_writes_senders_of_wraps_may_have_to_authenticate(opened: Open) -> None:
    async with opened() as policies:
        rules = policies.rules(config({"access": {"authenticated_wraps": True}}))
        assert said(rules, note(kind=1059)).startswith("auth-required: ")
        assert said(rules, note(kind=1059), keys=frozenset({OTHERS})) == ""
        assert said(rules, note()) == ""
        rules = policies.rules(RelayConfig())
        assert said(rules, note(kind=1059)) == ""


async def test_what_the_keeper_bans_comes_first_and_for_imports_too(opened: Open) -> None:
    async with opened(
        hooks=ModerationHooks(check=lambda _: refused("blocked: banned"))
    ) as policies:
        rules = policies.rules(config(NEVER))
    assert said(rules, note()) == "blocked: banned"
    assert (
        rules.check_import(IncomingEvent(note(), NOW, source=SourceType.IMPORT)).reason
        == "blocked: banned"
    )


async def test_imports_pass_dates_work_rates_and_access(opened: Open) -> None:
    async with opened() as policies:
        rules = policies.rules(config(NEVER))
    kept = note("bye", kind=5, key=OTHER, at=5)
    for number in range(3):
        assert rules.check_import(
            IncomingEvent(kept, NOW + number, source=SourceType.IMPORT)
        ).accepted
    for event in (note("bye", kind=5), note("bye", key=OTHER), note("hello", kind=5, key=OTHER)):
        assert not rules.check_import(IncomingEvent(event, NOW, source=SourceType.IMPORT)).accepted


async def test_a_request_to_vanish_passes_every_write_policy(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("async def judge(offer): return None\ndef no(offer): pass\n")
    own = {"folder": str(tmp_path), "python": ["own.py:no", "own.py:judge"], "plugins": ["false"]}
    async with opened(
        hooks=ModerationHooks(check=lambda _: refused("blocked: banned"))
    ) as policies:
        rules = policies.rules(config(NEVER | {"policies": own}))
        assert rules.check_async is not None
        for tags in (VANISH, (("relay", "ALL_RELAYS"),), (*VANISH, ("-",))):
            request = note("hello", kind=62, tags=tags, at=5)
            for check in (rules.check, rules.check_import):
                for _ in range(3):
                    assert check(IncomingEvent(request, NOW, "203.0.113.1")) == ACCEPTED
            assert await rules.check_async(IncomingEvent(request, NOW)) == ACCEPTED
        elsewhere = note(kind=62, tags=(("relay", "wss://other.example"),))
        assert said(rules, elsewhere) == "blocked: banned"
        assert not (await rules.check_async(IncomingEvent(elsewhere, NOW))).accepted
        assert rules.vanish_requests is not None
        assert rules.vanish_requests.applies_to(request)
        assert not (await rules.vanish_requests.check_keeping(IncomingEvent(request, NOW))).accepted
        assert not rules.vanish_requests.applies_to(elsewhere)
        too_large = note("x" * 300_000, kind=62, tags=VANISH)
        ahead = note(kind=62, tags=VANISH, at=NOW + 10_000)
        assert said(rules, too_large).startswith("invalid: content")
        assert said(rules, ahead).startswith("invalid: created_at")


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        ({}, True),
        (NEVER, False),
        ({"events": {"refused_kinds": [62]}}, False),
        ({"profile": "archive"}, False),
        ({"profile": "personal", "pubkey": ME}, False),
        ({"profile": "personal", "pubkey": OTHERS}, True),
        ({"profile": "public", "pubkey": ME}, False),
        ({"profile": "community", "pubkey": ME}, False),
    ],
)
async def test_policies_say_whether_a_request_to_vanish_is_kept(
    opened: Open, table: dict[str, Any], kept: bool
) -> None:
    request = note("bye", kind=62, tags=VANISH, key=OTHER)
    async with opened() as policies:
        rules = policies.rules(config(table))
        assert rules.vanish_requests is not None
        offer = IncomingEvent(request, NOW, "203.0.113.1")
        assert rules.check(offer) == ACCEPTED, "it is obeyed"
        assert (await rules.vanish_requests.check_keeping(offer)).accepted is kept
        long = note("x" * KEPT_BYTES, kind=62, tags=VANISH, key=OTHER)
        assert rules.check(IncomingEvent(long, NOW, "203.0.113.1")) == ACCEPTED
        assert not (
            await rules.vanish_requests.check_keeping(IncomingEvent(long, NOW, "203.0.113.1"))
        ).accepted


@pytest.mark.parametrize("address", ["203.0.113.1", "127.0.0.1"])
async def test_one_address_asks_so_often_to_vanish(opened: Open, address: str) -> None:
    request = note("bye", kind=62, tags=VANISH)
    async with opened() as policies:
        rules = policies.rules(config({}))

        def asked(at: float, address: str = address, source: SourceType = SourceType.CLIENT) -> str:
            return rules.check(IncomingEvent(request, at, address, source=source)).reason

        assert [asked(NOW) for _ in range(RATE.burst)] == [""] * RATE.burst
        assert asked(NOW).startswith("rate-limited: too many requests to vanish")
        assert policies.rules(config({})).check(IncomingEvent(request, NOW, address)) != ACCEPTED
        assert asked(NOW, "203.0.113.2") == ""
        assert asked(NOW, source=SourceType.SYNC) == ""
        assert asked(NOW + RATE.seconds) == ""


async def test_strangers_show_work(opened: Open, store: EventStore) -> None:
    follow = note("", kind=3, tags=(("p", OTHERS),))
    async with opened() as policies:
        rules = policies.rules(config({"profile": "public", "pubkey": ME}))
        assert said(rules, note()) == ""
        assert said(rules, note(key=OTHER)).startswith("pow: 16 bits")
        await store.save([follow])
        await policies.refresh()
        assert said(rules, note(key=OTHER)) == ""
        assert said(rules, note(key=STRANGER)).startswith("pow: ")
        assert said(rules, note(kind=1059, key=STRANGER)).startswith("pow: ")
        assert said(rules, note(kind=1059, key=STRANGER), keys=frozenset({OTHERS})) == ""


async def test_the_web_of_trust_is_kept_fresh_by_what_comes(
    opened: Open, store: EventStore
) -> None:
    table = {"access": {"write": "trusted"}, "trust": {"depth": 1}, "pubkey": ME}
    async with opened() as policies:
        rules = policies.rules(config(table))
        reason = "restricted: only people in this relay's web of trust may write here"
        assert said(rules, note(key=OTHER)) == reason
        assert said(rules, note(kind=1059, key=OTHER)).startswith("auth-required: ")
        await store.save([note("", kind=3, tags=(("p", OTHERS),))])
        await until(lambda: not said(rules, note(key=OTHER)))
        web = policies.trust
        assert policies.rules(config(table)).check(IncomingEvent(note(key=OTHER), NOW)).accepted
        assert policies.trust is web
        policies.rules(RelayConfig())
        assert policies.trust is None


async def test_members(opened: Open) -> None:
    async with opened(hooks=ModerationHooks(is_member=lambda key: key == OTHERS)) as policies:
        rules = policies.rules(config({"profile": "community", "pubkey": ME}))
    assert rules.greets
    assert said(rules, note()) == "", "the keeper"
    assert said(rules, note(key=OTHER)) == ""
    assert said(rules, note(key=STRANGER)) == (
        "restricted: only members of this relay may write here"
    )
    assert said(rules, note(kind=28934, key=STRANGER)) == "", "a request to become one"
    assert rules.check_query is not None
    asking = IncomingQuery("REQ", (Filter(),), NOW)
    assert rules.check_query(asking).reason.startswith("auth-required: ")
    member = IncomingQuery("REQ", (Filter(),), NOW, keys=frozenset({OTHERS}))
    assert rules.check_query(member).accepted


async def test_an_archive_takes_nothing_but_imports(opened: Open) -> None:
    async with opened() as policies:
        rules = policies.rules(config({"profile": "archive"}))
    assert said(rules, note()) == "blocked: this relay takes no events from its clients"
    assert rules.check_import(IncomingEvent(note(), NOW, source=SourceType.MIRROR)).accepted
    assert rules.check_query is not None
    assert rules.check_query(
        IncomingQuery("REQ", (Filter.of(kinds=[1]),), NOW, "203.0.113.1")
    ).accepted


async def test_a_reload_keeps_what_was_used_up(opened: Open, store: EventStore) -> None:
    table = {
        "rates": {"events": {"address": "2/hour", "key": "3/hour"}},
        "events": {"duplicates": {"by_one": 1}},
    }
    text = "the same thing, again and again"
    async with opened() as policies:
        rules = policies.rules(config(table))
        assert said(rules, note(text), address="203.0.113.1", connection=1) == ""
        await store.save([note(text)])
        assert said(rules, note("a"), address="203.0.113.1", connection=1) == ""
        rules.reconfigure(policies.rules(config(table | {"name": "changed"})))
        assert said(rules, note("b"), address="203.0.113.1").startswith("rate-limited: ")
        assert said(rules, note(text, at=NOW + 1)).startswith("blocked: you have said the same")
        await store.save([note("c"), note("d")])
        assert "by one key" in said(rules, note("e"))
        rules.reconfigure(policies.rules(RelayConfig()))
        assert said(rules, note(text, at=NOW + 1), address="203.0.113.1") == ""


@pytest.mark.parametrize(
    ("table", "passed"),
    [
        ({}, [True, True, True]),
        ({"web": {"trusted_proxies": ["127.0.0.1"]}}, [True, False, False]),
        ({"urls": [f"ws://{'a' * 56}.onion"]}, [True, True, False]),
    ],
)
async def test_whom_loopback_is(opened: Open, table: dict[str, Any], passed: list[bool]) -> None:
    async with opened() as policies:
        rules = policies.rules(config(table | {"rates": {"events": {"address": "1/day"}}}))
    said_to = [said(rules, note(), address="127.0.0.1", connection=n) for n in (1, 2, 1)]
    assert [not reason for reason in said_to] == passed


async def test_what_cannot_be_made_changes_nothing(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("async def judge(asking): return None\n")
    own = {"folder": str(tmp_path)}
    async with opened() as policies:
        rules = policies.rules(config({"rates": {"events": {"connection": "1/day"}}}))
        for wrong in (
            {"events": {"words": ["*"]}},
            {"policies": own | {"python": ["gone.py:judge"]}},
            {"policies": own | {"questions": ["own.py:judge"]}},
        ):
            for make in (policies.validate, policies.rules):
                with pytest.raises(ConfigError):
                    make(config(wrong))
        assert said(rules, note()) == ""
        assert said(rules, note("x")).startswith("rate-limited: ")


@pytest.mark.skipif(sys.platform == "win32", reason="the plugin is a script")
async def test_plugins_are_asked_run_on_over_a_reload_and_end(opened: Open, tmp_path: Path) -> None:
    script = (
        "import json, sys\nfor line in sys.stdin:\n  id = json.loads(line)['event']['id']\n"
        "  print(json.dumps({'id': id, 'action': 'reject', 'msg': 'no'}), flush=True)\n"
    )
    (tmp_path / "plugin.py").write_text(script)
    table = {"policies": {"plugins": [f"{sys.executable} plugin.py"], "folder": str(tmp_path)}}
    async with opened() as policies:
        rules = policies.rules(config(table))
        assert rules.check_async is not None
        assert (await rules.check_async(IncomingEvent(note(), NOW))).reason == "blocked: no"
        [(plugin, task)] = policies._plugins.values()
        process = plugin._process
        rules.reconfigure(policies.rules(config(table)))
        assert plugin._process is process
        rules.reconfigure(policies.rules(RelayConfig()))
        assert rules.check_async is None
        await asyncio.wait([task])
        assert process is not None
        assert process.returncode is not None


# The four rooms of one person


async def in_room(name: str, store: EventStore, **given: Any) -> Rules:
    table = {"profile": "personal", "pubkey": ME, "urls": [URL], **given}
    room = {room.name: room for room in sub_relays(config(table))}[name]
    async with open_policies(store, clock=lambda: NOW) as policies:
        rules = policies.rules(room.config)
        await policies.refresh()
    return rules


WRAP = note(kind=1059, key=STRANGER, tags=(("p", ME),))


async def test_the_outbox(store: EventStore) -> None:
    rules = await in_room("events", store, access={"writers": [OTHERS]})
    assert said(rules, note()) == ""
    assert said(rules, note(key=OTHER)) == ""
    assert said(rules, note(key=STRANGER)).startswith("restricted: ")
    assert said(rules, WRAP).startswith("blocked: events of kind 1059")
    assert rules.check_query is not None
    assert rules.check_query(IncomingQuery("REQ", (Filter.of(kinds=[1]),), NOW)).accepted


async def test_the_inbox(store: EventStore) -> None:
    await store.save([note("", kind=3, tags=(("p", OTHERS),))])
    rules = await in_room("inbox", store)
    assert said(rules, note(key=OTHER, tags=(("p", ME),))) == ""
    assert said(rules, note(key=OTHER)).startswith("blocked: only what names")
    assert said(rules, note(key=STRANGER, tags=(("p", ME),))).startswith("restricted: ")
    assert said(rules, WRAP).startswith("blocked: ")


async def test_private_messages(store: EventStore) -> None:
    rules = await in_room("chat", store)
    assert said(rules, WRAP) == ""
    assert said(rules, note(kind=1059, key=STRANGER, tags=(("p", OTHERS),))).startswith("blocked: ")
    assert said(rules, note(tags=(("p", ME),))).startswith("blocked: events of kind 1 ")
    assert said(rules, note(kind=5, tags=(("e", WRAP.id),))) == "", "the keeper deletes messages"
    assert said(rules, note(kind=5, key=OTHER, tags=(("p", ME),))).startswith("blocked: ")
    assert rules.check_query is not None
    question = (Filter.of(kinds=[1059]),)
    assert rules.check_query(IncomingQuery("REQ", question, NOW)).reason.startswith(
        "auth-required: "
    )
    other = IncomingQuery("REQ", question, NOW, keys=frozenset({OTHERS}))
    assert rules.check_query(other).reason.startswith("restricted: ")
    assert rules.check_query(IncomingQuery("REQ", question, NOW, keys=frozenset({ME}))).accepted


async def test_the_private_archive(store: EventStore) -> None:
    rules = await in_room("private", store)
    assert rules.greets
    mine, others = frozenset({ME}), frozenset({OTHERS})
    assert said(rules, note()).startswith("auth-required: ")
    assert said(rules, note(), keys=others).startswith("restricted: ")
    assert said(rules, note(), keys=mine) == ""
    assert said(rules, note(key=STRANGER), keys=mine) == ""
    assert rules.check_query is not None
    question = (Filter(),)
    assert not rules.check_query(IncomingQuery("REQ", question, NOW, keys=others)).accepted
    assert rules.check_query(IncomingQuery("REQ", question, NOW, keys=mine)).accepted
