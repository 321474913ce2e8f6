"""Drafts that follow the account to its other devices (NIP-37)."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.synced_drafts import KEPT_FOR, SyncedDrafts
from nostr_client.social.writing import Writing
from tests.social.house import ANA, BEN, ME, House, house, relay_list, signed

HOME, CUPBOARD = "wss://home.example", "wss://cupboard.example"


def drafts_of(
    h: House, folder: Path, *, on: bool = True, urls: tuple[str, ...] | None = (CUPBOARD,)
) -> SyncedDrafts:
    async def private_relays() -> tuple[str, ...] | None:
        return urls

    h.courier.private_relays = private_relays
    return SyncedDrafts(
        h.notes,
        h.notes._publisher,
        owner=ME,
        on=on,
        private_relays=private_relays,
        folder=folder,
        clock=h.clock,
    )


async def test_a_draft_goes_to_the_private_relays_alone_and_comes_back(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with house(tmp_path) as h:
        parent = signed(BEN, content="hello")
        await h.keep(parent, relay_list(ANA, HOME))
        one = drafts_of(h, tmp_path / "one")
        writing = Writing(text="half a thought", reply_to=parent.id, warning="medical")
        posted = await one.keep("reply-x", writing)
        assert posted is not None
        assert [answer.url for answer in posted.report.answers] == [CUPBOARD]
        event = posted.event
        assert (event.kind, event.value("k")) == (kinds.DRAFT_WRAP, "1")
        assert event.value("expiration") == str(int(h.clock.now) + KEPT_FOR)
        assert parent.id not in event.json.decode()
        assert "thought" not in event.json.decode()
        assert await one.elsewhere() == [], "this machine has it"
        other = drafts_of(h, tmp_path / "other")
        [found] = await other.elsewhere()
        assert found.writing == writing
        h.clock.now += 5
        await other.adopt("reply-y", found.identifier)
        await other.keep("reply-y", Writing(text="a whole one"))
        [again] = await drafts_of(h, tmp_path / "third").elsewhere()
        assert (again.identifier, again.writing.text) == (found.identifier, "a whole one")
        h.clock.now += 5
        blank = await one.forget("reply-x")
        assert blank is not None
        assert blank.event.content == ""
        assert blank.event.value("d") == found.identifier
        assert await drafts_of(h, tmp_path / "third").elsewhere() == []
        assert await one.forget("reply-x") is None, "it is gone already"
        file = next((tmp_path / "one").glob("synced-drafts-*.json"))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loopback_only.clear()  # relays that exist in this story only


async def test_a_quote_is_told_from_the_text(tmp_path: Path, loopback_only: list[str]) -> None:
    async with house(tmp_path) as h:
        quoted = signed(BEN, content="hello")
        await h.keep(quoted)
        writing = Writing(text="look\n\nat this", quote=quoted.id)
        await drafts_of(h, tmp_path / "one").keep("quote-x", writing)
        [found] = await drafts_of(h, tmp_path / "other").elsewhere()
        assert found.writing == writing
    loopback_only.clear()  # relays that exist in this story only


@pytest.mark.parametrize(("on", "urls"), [(False, (CUPBOARD,)), (True, ()), (True, None)])
async def test_nothing_leaves_unless_it_is_asked_for(
    tmp_path: Path, on: bool, urls: tuple[str, ...] | None
) -> None:
    async with house(tmp_path) as h:
        one = drafts_of(h, tmp_path / "one", on=on, urls=urls)
        assert await one.keep("note", Writing(text="mine")) is None
        assert await one.forget("note") is None
        assert (await one.fetch()).ends == {}
        assert await one.elsewhere() == []


async def test_what_is_not_understood_is_left_alone(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with house(tmp_path) as h:
        signer = LocalSigner(ANA)

        async def wrap(name: str, text: str) -> None:
            sealed = await signer.nip44_encrypt(ME, text)
            await h.keep(signed(ANA, kinds.DRAFT_WRAP, sealed, (("d", name), ("k", "1"))))

        article = Rumor.of(Draft(30023, "long"), ME, int(h.clock.now)).json
        foreign = Rumor.of(Draft(1, "no"), BEN.public_key.hex, int(h.clock.now)).json
        for name, text in (("a", "{"), ("b", article), ("c", foreign), ("", article)):
            await wrap(name, text)
        await h.keep(signed(ANA, kinds.DRAFT_WRAP, "not encrypted", (("d", "e"),)))
        await wrap("f", Rumor.of(Draft(1, "yes"), ME, int(h.clock.now)).json)
        one = drafts_of(h, tmp_path / "one")
        assert [draft.writing.text for draft in await one.elsewhere()] == ["yes"]
        long = (("d", "g"), ("k", "9" * 5000))
        await h.keep(signed(ANA, kinds.DRAFT_WRAP, await signer.nip44_encrypt(ME, "x"), long))
        assert (posted := await one.blank("g")) is not None
        assert posted.event.value("k") == "1"
        loopback_only.clear()
        (tmp_path / "one").mkdir()
        one._path.write_text("{")
        with pytest.raises(StoreError, match="damaged"):
            await one.keep("note", Writing(text="x"))
