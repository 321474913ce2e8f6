"""What is told outside of the client: what matters, seldom enough, and never what was said."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import util
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from nostr_client.errors import ConfigError, StoreError
from nostr_client.social.notification_views import Notification, NotificationSort
from nostr_client.tui import alerts, rings
from nostr_client.tui.alerts import GAP, Alerts
from nostr_client.tui.rings import InFront, open_ring
from nostr_client.tui.session_lock import IdleTime
from tests.tui.world import World, until

NOON = 1_700_000_000
TODAY = datetime.date(2023, 11, 14)


def row(sort: NotificationSort, number: int, *people: str) -> Notification:
    who = people or ("ana",)
    return Notification(f"{sort}{number}", sort, TODAY, NOON + number, who, len(who))


class Desk:
    """A client, a person, and what is shown to them."""

    def __init__(self, *, with_names: bool = True, unlocked: bool = True) -> None:
        self.rows: list[Notification] = []
        self.private: list[Any] = []
        self.shown: list[str] = []
        self.said: list[str] = []
        self.front = False
        self.now = float(NOON)
        messages = SimpleNamespace(
            status=SimpleNamespace(opened=1), unread=self.unread, unread_messages=self.unread_ones
        )
        client: Any = SimpleNamespace(
            notifications=SimpleNamespace(since=self.since),
            messages=messages,
            signer=object() if unlocked else None,
        )
        names: Any = SimpleNamespace(know=self.know, label=lambda who: f"{who}<b>")
        self.alerts = Alerts(
            *(client, names, self.ring_of),
            in_front=lambda: self.front,
            say=lambda words, _: self.said.append(words),
            with_names=with_names,
            clock=lambda: self.now,
        )

    async def since(self, at: int) -> list[Notification]:
        return [row for row in self.rows if row.at > at]

    async def unread(self) -> int:
        return len(self.private)

    async def unread_ones(self, limit: int) -> list[Any]:
        return self.private[:limit]

    async def know(self, people: Sequence[str]) -> None:
        return None

    async def ring_of(self) -> rings.Ring:
        return self.ring

    async def ring(self, text: str) -> None:
        self.shown.append(text)

    async def look(self, seconds: float = 0) -> list[str]:
        self.now += seconds
        await self.alerts.look(self.ring)
        shown, self.shown = self.shown, []
        return shown


async def test_who_and_what_is_told_once_and_put_together() -> None:
    desk = Desk()
    desk.rows = [row(NotificationSort.REPLY, -5), row(NotificationSort.MENTION, 1)]
    assert await desk.look(2) == ["ana<b> mentioned you"], "what is older was seen as it came"
    assert await desk.look(GAP) == []
    desk.rows += [row(NotificationSort.REACTION, 2, "ben", "cy", "dee")]
    assert await desk.look(GAP) == ["ben<b> and 2 others reacted to what you wrote"]
    desk.rows += [row(NotificationSort.REPLY, n) for n in range(10, 210)]
    assert await desk.look(1) == [], "the next one waits for its time"
    assert await desk.look(GAP) == ["\n".join(["ana<b> answered you"] * 3 + ["and 197 more"])]
    assert await desk.look(GAP) == []


async def test_nothing_is_told_to_who_is_looking() -> None:
    desk = Desk()
    desk.front = True
    desk.rows = [row(NotificationSort.MENTION, 1)]
    assert await desk.look(2) == []
    desk.front = False
    assert await desk.look(GAP) == []


async def test_of_private_messages_it_is_told_who_wrote() -> None:
    secret = "the roof\x1b[2J"
    desk, locked, unnamed = Desk(), Desk(unlocked=False), Desk(with_names=False)
    for each in (desk, locked, unnamed):
        each.private = [
            SimpleNamespace(
                id=str(n),
                author=who,
                created_at=NOON + at,
                text=secret,
                muted="by somebody you muted" if who == "eve" else "",
            )
            for n, (who, at) in enumerate(
                [("ben", -5), ("ben", 1), ("cy", 2), ("cy", 3), ("eve", 3)]
            )
        ]
    assert await desk.look(5) == ["ben<b> wrote to you\ncy<b> sent you 2 messages"]
    assert await locked.look(5) == []
    assert await unnamed.look(5) == ["2 new things for you"]


async def test_what_cannot_be_shown_is_said_once_and_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alerts, "LOOK_EVERY", 0.0)
    desk = Desk()
    desk.rows = [row(NotificationSort.MENTION, 1)]

    async def broken(text: str) -> None:
        raise ConfigError("no desktop")

    looks, rows = 0, desk.alerts._rows

    async def busy_first() -> list[str]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StoreError("the store is busy")
        return await rows()

    monkeypatch.setattr(desk, "ring", broken)
    monkeypatch.setattr(desk.alerts, "_rows", busy_first)
    desk.now += 2
    await desk.alerts.keep()
    assert looks == 2, "trouble with the store passes"
    assert desk.said == ["Nothing is told outside of this window: no desktop"]
    monkeypatch.setattr(rings.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"nostr-client\[desktop\]"):
        await open_ring("desktop", print, print)


async def test_the_terminal_is_given_one_safe_line() -> None:
    written: list[str] = []
    ring = await open_ring("terminal", written.append, print)
    await ring("ana mentioned you\nben\x07\x1b]0;owned\x07 wrote")
    [sequence] = written
    assert sequence.startswith("\x1b]9;nostr-client: ana mentioned you")
    assert sequence.endswith("\x07")
    assert sequence[4:-1].isprintable()
    await ring("7;a program mentioned you")
    assert written[-1] == "\x1b]9;nostr-client: 7;a program mentioned you\x07", "no number first"
    rung: list[int] = []
    await (await open_ring("bell", print, lambda: rung.append(1)))("x")
    assert rung == [1]


async def test_the_terminal_says_whether_it_is_in_front(world: World) -> None:
    minutes = [0.0]
    async with world.app() as (app, pilot):
        idle = IdleTime([lambda: minutes[0] * 60])
        in_front = InFront(app, idle)
        assert in_front()
        minutes[0] = 5
        assert not in_front(), "who touched nothing for so long may be away"
        app.app_focus = False
        await until(lambda: not in_front())
        app.app_focus = True
        await pilot.pause()
        assert in_front()


@pytest.mark.slow
async def test_it_is_told_while_one_looks_elsewhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = msgspec.structs.replace(world.config, notify="terminal")
    monkeypatch.setattr(World, "config", property(lambda self: config))
    monkeypatch.setattr(alerts, "LOOK_EVERY", 0.01)
    await world.put(world.follows("ana", "ben"), world.named("ben"))
    await world.watched()
    async with world.at_home() as (app, pilot):
        written: list[str] = []
        assert app._driver is not None
        monkeypatch.setattr(app._driver, "write", written.append)
        app.app_focus = False
        await pilot.pause()
        assert app.main is not None
        note = world.event("ben", 1, "Are you there?", (("p", world.pubkey("ana")),), ago=-5)
        await app.main.client.store.save([note])
        await until(
            lambda: any("\x1b]9;nostr-client: ben mentioned you" in text for text in written)
        )
        assert not any("there?" in text for text in written)


NO_BUS = """
import asyncio, sys
from nostr_client.errors import ConfigError
from nostr_client.tui.rings import open_ring
try:
    asyncio.run(open_ring("desktop", print, print))
except ConfigError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux's")
def test_without_a_bus_it_is_said() -> None:
    if util.find_spec("desktop_notifier") is None:
        pytest.skip("the extra `desktop` is not installed")
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"}
    done = subprocess.run(
        [sys.executable, "-c", NO_BUS], env=environment, capture_output=True, text=True, check=True
    )
    assert "no desktop takes notifications here" in done.stdout


DESKTOP = """
import asyncio
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, method
from nostr_client.tui.rings import open_ring

shown = []

class Notifications(ServiceInterface):
    @method()
    def GetCapabilities(self) -> "as":
        return ["body", "body-markup"]

    @method()
    def GetServerInformation(self) -> "ssss":
        return ["desk", "nobody", "1", "1.2"]

    @method()
    def Notify(self, app: "s", replaces: "u", icon: "s", title: "s", body: "s", actions: "as",
               hints: "a{sv}", timeout: "i") -> "u":
        shown.append((app, title, body))
        return 1

async def main():
    bus = await MessageBus().connect()
    bus.export("/org/freedesktop/Notifications", Notifications("org.freedesktop.Notifications"))
    await bus.request_name("org.freedesktop.Notifications")
    ring = await open_ring("desktop", print, print)
    await ring("ana <b>&amp; mentioned you")
    print(shown)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_desktop_is_given_no_markup() -> None:
    runner = shutil.which("dbus-run-session")
    if util.find_spec("desktop_notifier") is None or runner is None:
        pytest.skip("needs the extra `desktop` and dbus-run-session")
    done = subprocess.run(
        [runner, "--", sys.executable, "-c", DESKTOP], capture_output=True, text=True, check=True
    )
    expected = [("nostr-client", "nostr-client", "ana ‹b›＆amp; mentioned you")]
    assert done.stdout.strip() == repr(expected)
