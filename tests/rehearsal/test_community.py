"""The demo's community shows what the client can: one of each sort, and a guest who is welcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.nips import nip57, nip92
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.community import LETTER, PEOPLE, Community
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.rehearsal.scenes import OPENING, WELCOME
from nostr_client.rehearsal.stage import Stage
from nostr_client.social.notification_views import NotificationSort, unfolded
from nostr_client.social.poll_views import poll_view
from tests.conftest import StartRelay
from tests.waiting import until

NOW = 1_800_000_000


def played() -> dict[str, Event]:
    keys = {name: SecretKey.generate() for name in (*PEOPLE, "you", "hawker")}
    stage = Stage(keys, NOW, ["ws://127.0.0.1:7"])
    stage.play((*OPENING, *WELCOME))
    assert all(event.verify() for event in stage.events.values())
    return stage.events


def test_every_scene_is_what_it_is_meant_to_be() -> None:
    events = played()
    assert {event.kind for event in events.values()} >= kinds.POSTS - {
        *(kinds.GENERIC_REPOST, kinds.VOICE, kinds.VOICE_COMMENT, kinds.FORUM_THREAD),
        *kinds.VIDEOS,
    }
    votes = [event for event in events.values() if event.kind == kinds.VOTE]
    poll = poll_view(events["concert"], votes, now=NOW)
    assert poll is not None
    assert [option.votes for option in poll.options] == [0, 2, 2]
    assert [item.alt for item in nip92.media_of(events["photo"])] != [""]
    zap = nip57.read_receipt(events["paid"])
    assert (zap.msat, zap.target) == (210_000, events["bread"].id)
    assert events["stove"].value("q") == events["roof"].id
    assert events["passage"].value("a") == events["bread"].address
    assert Event.parse(events["told"].content) == events["hello"]


@pytest.mark.slow
async def test_a_guest_is_welcome(
    tmp_path: Path, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RelayProcess, "start", lambda data: start_relay(data=data))
    async with Community.start(tmp_path) as community:
        guest = await community.join("you", "Just visiting.")
        client = guest.client
        await community.welcome(guest)

        async def sorts() -> set[NotificationSort]:
            rows = unfolded((await client.notifications.page()).rows)
            return {one.sort for one, _ in rows}

        wanted = {
            *(NotificationSort.REACTION, NotificationSort.REPOST, NotificationSort.REPLY),
            *(NotificationSort.ZAP, NotificationSort.MENTION),
        }

        async def all_came() -> bool:
            return await sorts() >= wanted

        await until(all_came)
        assert [one for _, one in unfolded((await client.notifications.page()).rows)].count(True)
        [bookmark] = await client.bookmarks.shown()
        assert bookmark.event is not None
        assert bookmark.event.kind == kinds.ARTICLE
        assert (await client.mutes.entries()).private
        assert [one.title for one in await client.sets.of(guest.pubkey)] == ["Roof crew"]
        await client.messages.sync()
        assert [one.last.text for one in await client.messages.conversations()] == [LETTER]
