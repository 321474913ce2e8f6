"""A bot: what it does on request and at its times, and the loop that has it done."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any, Final, TypeVar

from nostr_client.bots import timetable
from nostr_client.bots.memory import BotMemory
from nostr_client.bots.rates import BotRates, RateLimit
from nostr_client.bots.requests import BotRequest
from nostr_client.bots.timetable import Deed, Timed
from nostr_client.bots.work import BotRules, BotWork, Handler
from nostr_client.client.client import NostrClient
from nostr_client.errors import ConfigError
from nostr_client.paths import FolderLock, Paths, private_folder
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.signer import Signer

AnyHandler = TypeVar("AnyHandler", bound=Handler)
AnyDeed = TypeVar("AnyDeed", bound=Deed)

_is_name: Final = re.compile(r"[A-Za-z0-9_-]{1,40}").fullmatch
_is_command: Final = re.compile(r"\S{1,40}").fullmatch


class Bot:
    """`name` (letters, digits, "-" and "_") is what its memory is called on disk.

    Requests are notes and comments that name it or answer it, and private messages; a command
    begins with `prefix`. `max_age` (seconds): what is older when it is seen is not answered.
    `per_person` and `overall`: requests past these rates are passed over, and so are those past
    `thread_budget`, the answers a day in one thread, or to one person in private. `handler_limit`:
    seconds that a handler may take. `profile` are fields of its kind 0, which says that it is a bot
    (NIP-24).

    Requests are dealt with one after another. Whoever labels what he writes, or his profile, as a
    bot's is not answered. Notes of a bot carry such a label (NIP-32); its private messages do not,
    for NIP-17 has none: its profile says there what it is.
    """

    def __init__(
        self,
        name: str,
        *,
        prefix: str = "/",
        max_age: float = 86_400.0,
        per_person: RateLimit = RateLimit(10, 60.0),  # noqa: B008 - a value
        overall: RateLimit = RateLimit(100, 60.0),  # noqa: B008 - a value
        thread_budget: int = 20,
        handler_limit: float = 60.0,
        profile: Mapping[str, str] | None = None,
    ) -> None:
        """Raises ConfigError for a name that is none."""
        if not _is_name(name):
            raise ConfigError("a bot's name has 1 to 40 letters, digits, '-' and '_'")
        self.name = name
        self._rules = BotRules(
            prefix=prefix,
            max_age=max_age,
            rates=BotRates(per_person, overall),
            thread_budget=thread_budget,
            handler_limit=handler_limit,
            profile=dict(profile or {}),
            commands={},
            timed=[],
        )
        self.command("help", "this list")(self._help)

    # What it does

    def command(self, name: str, help: str = "") -> Callable[[AnyHandler], AnyHandler]:
        """`@bot.command("weather")` before the async function that answers `/weather`: it is given
        the BotRequest, and what it returns is the answer, None for none.

        Raises ValueError for a name with a space in it, or with the prefix, and for one that is
        taken, in capitals or not; `help` may be replaced.
        """
        word, prefix = name.casefold(), self._rules.prefix
        if not _is_command(name) or (prefix and name.startswith(prefix)):
            words = f"a command is a word of up to 40 characters, without {prefix!r}: {name!r}"
            raise ValueError(words)
        taken = self._rules.commands.get(word)
        if taken is not None and taken[0] != self._help:
            raise ValueError(f"there is a command {name!r} already")

        def add(handler: AnyHandler) -> AnyHandler:
            self._rules.commands[word] = (handler, help)
            return handler

        return add

    def mention(self, handler: AnyHandler) -> AnyHandler:
        """`@bot.mention` before what answers notes that name the bot, or answer it, and are no
        command. Raises ValueError for a second one."""
        if self._rules.on_mention is not None:
            raise ValueError("mentions are answered by another function already")
        self._rules.on_mention = handler
        return handler

    def message(self, handler: AnyHandler) -> AnyHandler:
        """`@bot.message` before what answers private messages that are no command. Raises
        ValueError for a second one."""
        if self._rules.on_message is not None:
            raise ValueError("messages are answered by another function already")
        self._rules.on_message = handler
        return handler

    def every(
        self, *, seconds: float = 0, minutes: float = 0, hours: float = 0
    ) -> Callable[[AnyDeed], AnyDeed]:
        """`@bot.every(minutes=30)` before the async function that is done so often. It is given the
        client, and what it returns is posted, None for nothing:

            @bot.every(hours=1)
            async def chime(client: NostrClient) -> str:
                return "another hour"

        The name of the function is what its times are remembered by: ValueError for one that has
        none, or the name of another. Raises ConfigError for no time at all."""
        return self._at(timetable.every(seconds + 60 * minutes + 3600 * hours))

    def daily(self, at: str, zone: tzinfo = UTC) -> Callable[[AnyDeed], AnyDeed]:
        """`@bot.daily("08:30")`: the same once a day, in the time of `zone`. One that was missed by
        less than `max_age` is done as soon as the bot runs."""
        return self._at(timetable.daily(at, zone))

    def _at(self, due: Callable[[float | None, float], float]) -> Callable[[AnyDeed], AnyDeed]:
        def add(deed: AnyDeed) -> AnyDeed:
            name = getattr(deed, "__name__", "")
            if not name or any(one.name == name for one in self._rules.timed):
                raise ValueError(f"what is done at its times has a name of its own: {name!r}")
            self._rules.timed.append(Timed(name, deed, due))
            return deed

        return add

    async def _help(self, request: BotRequest) -> str:
        lines = (
            f"{self._rules.prefix}{name}  {help}"
            for name, (_, help) in self._rules.commands.items()
        )
        return "\n".join(line.rstrip() for line in lines)

    # Its life

    async def run(
        self,
        signer: Signer | SecretKey,
        *,
        paths: Paths | None = None,
        clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        """Open a client (`options` as for `NostrClient.open`), and serve until cancelled."""
        opened = NostrClient.open(signer, paths=paths, clock=clock, **options)
        async with opened as client:
            await self.serve(client, clock=clock)

    async def serve(self, client: NostrClient, *, clock: Callable[[], float] = time.time) -> None:
        """Serve with a client that is open already, until cancelled. One bot of a name and a key
        serves at a time in a folder (FolderInUse). Raises ConfigError for an account that is only
        watched, StoreError."""
        if client.signer is None:
            raise ConfigError("a bot answers: this account only watches")
        folder = client.paths.data / "bots"
        file = folder / f"{self.name}-{client.pubkey[:16]}.json"
        await asyncio.to_thread(private_folder, folder)
        with FolderLock(file.with_suffix(".lock")):
            memory = await BotMemory.open(file, clock(), self._rules.max_age)
            await BotWork(self._rules, client, memory, clock).run()
