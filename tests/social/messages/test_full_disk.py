"""A disk that is full at any step of sending: either nothing went out, and it is an error; or it
goes out once, and it is a warning."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import StoreError, StoreFull
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.messages import archive as archives
from nostr_client.social.messages import sealed_log
from nostr_client.social.messages.views import Delivery
from nostr_client.store.contract import SaveResult
from tests.routing.rooms import ANA, BEN, Relay
from tests.social.messages.people import Person, dm_list, eventually, person, wraps_sent

A, B = (key.public_key.hex for key in (ANA, BEN))


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def full_store(*_: object, **__: object) -> Any:
    raise StoreFull("cannot write: the disk is full: make room on it")


def after(calls: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """`real` so many times; then the disk is full."""
    left = calls

    async def call(*given: Any) -> Any:
        nonlocal left
        left -= 1
        return await (real if left >= 0 else full_store)(*given)

    return call


Break = Callable[[pytest.MonkeyPatch, Person], None]
BEFORE: dict[str, Break] = {
    "the first want": lambda m, p: m.setattr(p.rooms.store.ledger, "want", full_store),
    "the second want": lambda m, p: m.setattr(
        p.rooms.store.ledger, "want", after(1, p.rooms.store.ledger.want)
    ),
    "the wraps": lambda m, p: m.setattr(p.rooms.store, "save", full_store),
}


@pytest.mark.parametrize("step", BEFORE)
async def test_what_fails_before_the_wraps_are_stored_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            running = asyncio.create_task(ana.replication.run())
            with monkeypatch.context() as broken:
                BEFORE[step](broken, ana)
                with pytest.raises(StoreFull):
                    await ana.messages.send([B], "once")
            assert await ana.texts(B) == []
            sent = await ana.messages.send([B], "once")
            assert (await ana.messages.delivered(sent.id)).delivery is Delivery.SENT
            await ben.hears("once", A)
            assert await ben.texts(A) == await ana.texts(B) == ["once"]
            wraps = [event for event in relay.held if event.kind == kinds.GIFT_WRAP]
            assert len(wraps) == 2, "one wrap for each, and none of the first time"
            running.cancel()


async def test_what_cannot_be_written_down_once_it_is_on_its_way_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists, start=False) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            await ana.messages.unlock()
            with monkeypatch.context() as broken:
                broken.setattr(sealed_log.os, "fsync", full_disk)
                sent = await ana.messages.send([B], "once")
                assert "full" in ana.messages.status.problem
                assert (await ana.messages.delivered(sent.id)).delivery is Delivery.SENT
                with pytest.raises(StoreFull):
                    await ana.messages._archive.write_rest()
                await ana.messages._archive.refresh()
                assert await ana.texts(B) == ["once"], "also when the file was read anew"
                broken.setattr(archives, "MOST_UNWRITTEN", 1)
                with pytest.raises(StoreError, match="nothing is sent"):
                    await ana.messages.send([B], "too much waits")
            await ben.hears("once", A)
            async with person(tmp_path / "ana", ANA) as another:
                await another.hears("once", B)  # out of the wrap, as if this process had ended
            await ana.messages._archive.write_rest()
            assert ana.messages.status.problem == ""
        async with person(tmp_path / "ana", ANA, start=False) as ana:
            [again] = await ana.messages.messages([B])
            assert (again.id, again.delivery) == (sent.id, Delivery.SENT)


async def test_wraps_that_are_stored_though_the_answer_was_lost_go_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with person(tmp_path / "ana", ANA, *lists) as ana:
            save = ana.rooms.store.save

            async def slow(events: Sequence[Event]) -> list[SaveResult]:
                await save(events)
                raise StoreError("a write took more than 30 s")

            await ana.messages.unlock()
            with monkeypatch.context() as broken:
                broken.setattr(ana.rooms.store, "save", slow)
                broken.setattr(ana.rooms.store.ledger, "copies_of", full_store)
                sent = await ana.messages.send([B], "once")
            assert (await ana.messages.delivered(sent.id)).text == "once"

            async def both() -> bool:
                return len(set(wraps_sent(relay))) == 2

            running = asyncio.create_task(ana.replication.run())
            await eventually(both)
            running.cancel()
