"""What is played with every peer: one scene a feature, each with keys of its own.

What a peer says is not enough: a plain socket looks at the relay, and events are verified here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.foreign_reader import ReadingCost, ask, put, shown
from tests.bunker.serving import KEY as BUNKER_KEY
from tests.bunker.serving import Serving
from tests.interop.cells import Feature
from tests.interop.our_client import our_client
from tests.interop.peer import Peer, Wrong
from tests.waiting import until

ARRIVAL: Final = 10.0
"""Seconds that what goes by other roads than an answer (a message, an index) may take."""
TEXT: Final = 'a "quoted" \\ line\nbreak \u2028 \t ü 🤙'


@dataclass
class Stage:
    """`key` is the peer's on the relay at `url`. `private_kind` is what only those read who say who
    they are, where the relay asks."""

    peer: Peer
    url: str
    key: SecretKey
    folder: Path
    private_kind: int = kinds.NOTE
    now: int = field(default_factory=lambda: int(time.time()) - 60)

    @property
    def me(self) -> str:
        return self.key.public_key.hex

    def note(
        self, content: str, at: int = 0, *, key: SecretKey | None = None, **more: Any
    ) -> Event:
        """A signed event, by the peer's own key unless told otherwise, `at` seconds from `now`."""
        draft = Draft(more.get("kind", kinds.NOTE), content, more.get("tags", ()), self.now + at)
        return draft.sign(key or self.key, self.now + at)

    async def is_shown(self, event: Event) -> bool:
        """Does the relay show it to a plain socket?"""
        return event.id in await shown(self.url, [event.id], ReadingCost())


def hold(what: bool, words: str) -> None:
    """Raises Wrong with `words` unless it is so."""
    if not what:
        raise Wrong(words)


def same(found: Iterable[Event], wanted: Iterable[Event], asked: str) -> None:
    """Raises Wrong unless both are the same events, and real ones."""
    found, wanted = list(found), list(wanted)
    hold(all(event.verify() for event in found), f"{asked}: a signature is wrong")
    ids, right = [event.id for event in found], {event.id for event in wanted}
    missing, other = len(right - set(ids)), len(set(ids) - right)
    hold(not missing and not other, f"{asked}: {missing} missing, {other} that do not belong")
    hold(len(ids) == len(right), f"{asked}: one came twice")


async def publish(stage: Stage) -> None:
    draft = Draft(kinds.NOTE, TEXT, (("t", "interop"), ("p", stage.me, "")), stage.now)
    event, told = await stage.peer.write(draft)
    hold(told.accepted, f"not accepted: {told.message}")
    hold(event.verify() and event.pubkey == stage.me, "the event is not the key's")
    hold(event.content == TEXT, "the text was changed")
    hold(await stage.is_shown(event), "accepted, and the relay does not show it")


async def query(stage: Stage) -> None:
    old, cooked, new = (
        stage.note("old", -300),
        stage.note("cooked", -200, tags=(("t", "cooking"),)),
        stage.note("new", -100),
    )
    await put(stage.url, [old, cooked, new])
    mine = {"authors": [stage.me], "kinds": [kinds.NOTE]}
    questions: list[tuple[str, dict[str, Any], list[Event]]] = [
        ("by author and kind", mine, [old, cooked, new]),
        ("by id", {"ids": [old.id, new.id]}, [old, new]),
        ("by tag", {"#t": ["cooking"], "authors": [stage.me]}, [cooked]),
        ("since and until", mine | {"since": stage.now - 250, "until": stage.now - 150}, [cooked]),
        ("limit", mine | {"limit": 2}, [cooked, new]),
        ("nothing there", mine | {"kinds": [kinds.REPOST]}, []),
    ]
    for words, asked, wanted in questions:
        same(await stage.peer.query(asked), wanted, words)


async def live(stage: Stage) -> None:
    await put(stage.url, [stage.note("stored", -100)])
    await stage.peer.listen({"authors": [stage.me], "kinds": [kinds.NOTE]})
    other = SecretKey.generate()
    for number in range(3):
        new = stage.note(f"new {number}", number)
        await put(stage.url, [stage.note("a stranger's", number, key=other), new])
        heard = await stage.peer.heard()
        hold(heard.id == new.id, f"event {number} did not come first: {heard.content!r} did")


async def ties(stage: Stage) -> None:
    """Of two replaceable events of one second the one with the lowest id stays (NIP-01)."""
    for kind, tags in ((kinds.METADATA, ()), (30_023, (("d", "one"),))):
        for lowest_first in (True, False):
            at = 2 * lowest_first
            pair = [stage.note(f'{{"name":"{n}"}}', at, kind=kind, tags=tags) for n in range(2)]
            pair.sort(key=lambda event: event.id, reverse=not lowest_first)
            for event in pair:
                await stage.peer.send(event)
            low = pair[0] if lowest_first else pair[1]
            found = await stage.peer.query({"authors": [stage.me], "kinds": [kind]})
            order = "lowest first" if lowest_first else "lowest last"
            same(found, [low], f"kind {kind}, {order}")
            stage.now += 10


async def deletion(stage: Stage) -> None:
    kept, gone = stage.note("kept"), stage.note("a mistake", -10)
    foreign = stage.note("a stranger's", key=SecretKey.generate())
    await put(stage.url, [kept, foreign, gone])
    tags = (("e", gone.id), ("k", "1"))
    _, told = await stage.peer.write(Draft(kinds.DELETION, "", tags, stage.now + 1))
    hold(told.accepted, f"not accepted: {told.message}")
    mine = {"authors": [stage.me], "kinds": [kinds.NOTE]}
    same(await stage.peer.query(mine), [kept], "after the deletion")
    await stage.peer.send(gone)
    same(await stage.peer.query(mine), [kept], "the deleted event was sent again")
    await stage.peer.write(Draft(kinds.DELETION, "", (("e", foreign.id),), stage.now + 2))
    hold(await stage.is_shown(foreign), "a stranger's event was deleted")


async def auth(stage: Stage) -> None:
    tags = (("p", stage.me),)
    event, told = await stage.peer.write(Draft(stage.private_kind, "mine", tags, stage.now))
    hold(told.accepted, f"not accepted: {told.message}")
    asked = {"authors": [stage.me], "kinds": [stage.private_kind]}
    strangers = [found async for found in ask(stage.url, [asked], ReadingCost())]
    hold(not strangers, "the relay shows it to who has not said who he is")
    same(await stage.peer.query(asked), [event], "read back")


async def count(stage: Stage) -> None:
    await put(stage.url, [stage.note(f"{number}", -number) for number in range(3)])
    counted = await stage.peer.count({"authors": [stage.me], "kinds": [kinds.NOTE]})
    hold(counted == 3, f"3 are {counted}")


async def search(stage: Stage) -> None:
    found, other = stage.note("down the rabbithole again"), stage.note("nothing of it", -1)
    await put(stage.url, [other, found])
    asked = {"search": "rabbithole", "authors": [stage.me], "kinds": [kinds.NOTE]}

    async def indexed() -> list[Event]:
        return await stage.peer.query(asked)

    same(await until(indexed, ARRIVAL, 0.1), [found], "search")


async def negentropy(stage: Stage) -> None:
    here, both, there = stage.note("here"), stage.note("both", -1), stage.note("there", -2)
    await put(stage.url, [both, there])
    asked = {"authors": [stage.me], "kinds": [kinds.NOTE]}
    held = await stage.peer.reconcile(asked, [here, both])
    hold(there.id in held, "what only the relay had did not come down")
    hold(held == {here.id, both.id, there.id}, f"it holds {len(held)} events, and not 3")
    hold(await stage.is_shown(here), "what only the client had did not go up")


async def messages(stage: Stage) -> None:
    other = SecretKey.generate()
    for key in (stage.key, other):
        tags = (("relay", stage.url),)
        await put(stage.url, [stage.note("", kind=kinds.DM_RELAYS, tags=tags, key=key)])
    async with our_client(stage.folder / "other", other, stage.url) as ours:
        await stage.peer.write_message(other.public_key.hex, f"to you: {TEXT}")

        async def came(reader: Peer, sender: str, text: str) -> bool:
            return (sender, text) in await reader.read_messages()

        await _until(lambda: came(ours, stage.me, f"to you: {TEXT}"), "its message never came")
        await ours.write_message(stage.me, f"to them: {TEXT}")
        sender = other.public_key.hex
        await _until(
            lambda: came(stage.peer, sender, f"to them: {TEXT}"), "it never read our message"
        )


async def bunker(stage: Stage) -> None:
    """It asks a bunker of ours, over the relay."""
    serving = Serving(stage.folder / "bunker", [stage.url])
    async with serving.running(alone=True):
        uri = await serving.invite("sign_event")
        for number in range(3):
            draft = Draft(kinds.NOTE, f"{number} {TEXT}", (("t", "x"),), stage.now + number)
            event = await stage.peer.sign_by(uri.format(), draft)
            hold(event.verify(), "a signature is wrong")
            hold(event.pubkey == BUNKER_KEY.public_key.hex, "it is not the account's")
            hold(event.content == draft.content, "the text was changed")


async def _until(holds: Callable[[], Awaitable[bool]], words: str) -> None:
    """Raises Wrong with `words` where it does not come to hold in time."""
    try:
        await until(holds, ARRIVAL, 0.1)
    except TimeoutError:
        raise Wrong(words) from None


Scene = Callable[[Stage], Awaitable[None]]
SCENES: Final[Mapping[Feature, Scene]] = {
    Feature.PUBLISH: publish,
    Feature.QUERY: query,
    Feature.LIVE: live,
    Feature.TIES: ties,
    Feature.DELETION: deletion,
    Feature.AUTH: auth,
    Feature.COUNT: count,
    Feature.SEARCH: search,
    Feature.NEGENTROPY: negentropy,
    Feature.MESSAGES: messages,
    Feature.BUNKER: bunker,
}
LIMIT: Final = 25.0
"""Seconds for one scene."""


async def played(feature: Feature, stage: Stage) -> None:
    """Play one scene. Raises Lacks, Wrong, TimeoutError, and whatever our own side raises."""
    async with asyncio.timeout(LIMIT):
        await SCENES[feature](stage)
