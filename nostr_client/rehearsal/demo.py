"""The demo: a note survives the loss of three relays out of five, before your eyes.

`run_headless` plays the story and prints it; every figure in it is read back from the relays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.output import Output
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import NOTE
from nostr_client.rehearsal.community import RELAYS, Community
from nostr_client.rehearsal.scratch_folder import scratch_folder
from nostr_client.social.views import Posted

KILLED = 3
STEP_LIMIT = 60.0
"""Seconds that the community may take for one step before the story counts as failed."""
POLL = 0.25
"""Seconds between two looks at what has come to hold by itself."""


class DemoStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the story; `ok` says whether what it tells is what should have happened.

    `relays` are alive, `holding` of them hold what the step is about; `seconds` it took.
    """

    step: str
    ok: bool
    text: str
    relays: int | None = None
    holding: int | None = None
    events: int | None = None
    seconds: float | None = None


class DemoFailed(NostrError):
    """A step of the demo did not come out as it must."""


async def run_headless(out: Output) -> int:
    """Play the story; 0 when all ended well, 1 when not. Leaves nothing behind."""
    with scratch_folder("nostr-demo-") as folder:
        try:
            async with Community.start(folder) as community:
                await _Demo(community, out).play()
        except DemoFailed as error:
            out.note(f"The demo failed: {error}")
            return 1
    return 0


@dataclass
class _Demo:
    community: Community
    out: Output

    async def play(self) -> None:
        started = time.monotonic()
        await self._opening()
        posted = await self._ana_writes()
        await self._three_die(posted)
        await self._life_goes_on(posted)
        await self._new_relays_come(posted)
        await self._nothing_is_lost()
        self._step(
            DemoStep(
                "end",
                True,
                "Three of five hosts are gone for good. The account and its readers are not.",
                seconds=round(time.monotonic() - started, 1),
            )
        )

    async def _opening(self) -> None:
        alive = len(self.community.urls)
        self._step(
            DemoStep(
                "open", alive == RELAYS, f"{alive} relays listen on this machine.", relays=alive
            )
        )
        people = self.community.people
        lists = [await p.client.follows.pubkeys() for p in people.values()]
        friends = all(len(follows) == len(people) - 1 for follows in lists)
        text = f"{', '.join(people)} follow one another, each with a key of their own."
        self._step(DemoStep("people", friends, text))

    async def _ana_writes(self) -> Posted:
        ana = self.community.person("ana").client
        posted = await ana.post("We keep our own relays now. Let us see who can switch us off.")
        taken = len(posted.report.accepted)
        text = f"ana writes a note: {taken} of {RELAYS} relays took it."
        self._step(DemoStep("post", taken == RELAYS, text, relays=RELAYS, holding=taken))
        return posted

    async def _three_die(self, posted: Posted) -> None:
        gone = await self.community.kill_relays(KILLED)
        alive, left = len(self.community.urls), await self._holding([posted.event.id])
        text = f"{len(gone)} relays are killed, with everything they held: the note is on {left}."
        self._step(
            DemoStep("kill", left == alive == RELAYS - KILLED, text, relays=alive, holding=left)
        )

    async def _life_goes_on(self, posted: Posted) -> None:
        ben = self.community.person("ben").client
        await self._until("ben reads the note", lambda: _has(ben, posted.event.id))
        answer = await ben.reply(posted.event.id, "Still here. Who else?")
        taken, alive = len(answer.report.accepted), len(self.community.urls)
        text = f"ben still reads it, and answers: {taken} of the {alive} relays left took that."
        self._step(DemoStep("reply", taken == alive, text, relays=alive, holding=taken))
        readers = [p for name, p in self.community.people.items() if name != "ben"]
        for reader in readers:
            await self._until(
                f"{reader.name} reads the answer", partial(_has, reader.client, answer.event.id)
            )
        self._step(DemoStep("read", True, f"{', '.join(r.name for r in readers)} read the answer."))

    async def _new_relays_come(self, posted: Posted) -> None:
        began = time.monotonic()
        await self.community.add_relays(KILLED)
        await self.community.agree_on_relays()
        await self._until(
            "the note is on five relays again", lambda: self._all_hold([posted.event.id])
        )
        alive, holding = len(self.community.urls), await self._holding([posted.event.id])
        self._step(
            DemoStep(
                "repair",
                holding == alive == RELAYS,
                f"{KILLED} new relays come: the note is on {holding} of {alive} again.",
                relays=alive,
                holding=holding,
                seconds=round(time.monotonic() - began, 1),
            )
        )

    async def _nothing_is_lost(self) -> None:
        written = await self._written(Filter())
        await self._until(
            f"all {len(written)} events are on five relays", lambda: self._all_hold(written)
        )
        newcomer = await self.community.join("fay", "Moved here after the three were gone.")
        notes = [id for id in await self._written(Filter.of(kinds=[NOTE])) if id in set(written)]
        await self._until("a newcomer reads every note", lambda: _has(newcomer.client, *notes))
        holding = await self._holding(written)
        self._step(
            DemoStep(
                "count",
                holding == RELAYS,
                f"{len(written)} events were ever written, and all of them are on {holding} of"
                f" {RELAYS} relays; fay, who came afterwards, reads all {len(notes)} notes.",
                relays=RELAYS,
                holding=holding,
                events=len(written),
            )
        )

    async def _written(self, f: Filter) -> list[str]:
        """The ids of what the people wrote that matches `f`, from the authors' own stores."""
        ids: list[str] = []
        for person in self.community.people.values():
            own = f.changed(authors=frozenset([person.pubkey]))
            ids += [event.id for event in await person.client.store.query([own])]
        return ids

    async def _holding(self, ids: Sequence[str]) -> int:
        """How many living relays give back every one of `ids`."""
        return sum(await asyncio.gather(*(self._gives(url, ids) for url in self.community.urls)))

    async def _all_hold(self, ids: Sequence[str]) -> bool:
        return await self._holding(ids) == len(self.community.urls) == RELAYS

    async def _gives(self, url: str, ids: Sequence[str]) -> bool:
        """Does the relay hand out every one of `ids`, verified, when asked now?"""
        pool = self.community.person("dee").client.pool
        fetched = await pool.fetch([Filter.of(ids=ids)], [url])
        return {event.id for event in fetched.events} >= set(ids)

    async def _until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something that the community does by itself; fail the story after a while."""
        try:
            async with asyncio.timeout(STEP_LIMIT):
                while not await holds():  # noqa: ASYNC110 - other processes bring it about
                    await asyncio.sleep(POLL)
        except TimeoutError:
            self._step(DemoStep("failed", False, f"not within {STEP_LIMIT:.0f} seconds: {what}"))

    def _step(self, step: DemoStep) -> None:
        self.out.emit(step, f"{'✓' if step.ok else '✗'} {step.text}")
        if not step.ok:
            raise DemoFailed(step.text)


async def _has(client: NostrClient, *ids: str) -> bool:
    """Are all of these events in the client's own store?"""
    return set(await client.store.known(ids)) >= set(ids)
