"""The entry of the terminal client: what the app needs is put together here, and it is run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from nostr_client.accounts.account import Accounts
from nostr_client.accounts.bunker_pairing import BunkerOptions
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig, load_config
from nostr_client.errors import ConfigError, NostrError, StoreError
from nostr_client.net.relay_check import CheckStep, check_relay
from nostr_client.output import Output
from nostr_client.paths import Paths, paths, private_folder
from nostr_client.routing.starter_relays import compared_with, starter_relays
from nostr_client.safe_text import safe_text
from nostr_client.settings import InvalidSettings
from nostr_client.tasks import OwnedTasks
from nostr_client.tui import garbage
from nostr_client.tui.acts.registry import NOTE, PERSON
from nostr_client.tui.app import NostrApp
from nostr_client.tui.client_holder import ClientHolder, client_opener
from nostr_client.tui.environment import Environment
from nostr_client.tui.graphics import terminal_graphics
from nostr_client.tui.keymap import LIST
from nostr_client.tui.own_commands import OwnCommand, own_commands
from nostr_client.tui.own_keys import every_group, own_keys
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.posix_signals import exit_signals, standard_input
from nostr_client.tui.screens.first_relays import ProbeResult, RelayOffer
from nostr_client.tui.time_format import latency

PROBE_LIMIT = 12.0
"""Seconds for a newcomer's first relay to answer."""
SWITCH_INTERVAL = 0.0005
"""Seconds that a thread keeps Python's lock while another one waits for it. At the usual 5 ms each
of the loop's steps after a key may wait as long for a thread that searches or decodes."""
WARM_UP_AFTER = 2.0
"""Seconds from the start to `warm_up`: the timeline is painted by then."""
WARM_UP_LIMIT = 30.0
"""Seconds that the garbage collector waits at most for a moment without keys."""
PROBED_STEP = "read"
"""The step of a check after which a relay counts as there."""


def run(*, demo: bool = False) -> int:
    """Open the terminal client; returns the exit code. `demo`: as a guest of the demo."""
    try:
        where = paths()
        for folder in (where.config, where.data, where.state):
            private_folder(folder)
        environment = environment_in(where, load_config(where.config / "config.toml"))
        if environment.config.media:
            environment = replace(environment, graphics=terminal_graphics(os.environ))
    except (ConfigError, StoreError) as error:
        output = Output(json=False)
        return max(output.fail(problem) for problem in str(error).splitlines())
    sys.setswitchinterval(SWITCH_INTERVAL)
    return asyncio.run(serve(environment, demo=demo))


async def serve(environment: Environment, *, demo: bool = False) -> int:
    """Run the app, and after it close what it opened."""
    async with (
        ClientHolder(client_opener(environment.paths, environment.config)) as holder,
        OwnedTasks() as tasks,
    ):
        app = NostrApp(environment, holder, demo=demo)
        tasks.start(warm_up(app))
        with exit_signals(app.exit_on_signal, standard_input()):
            code = await app.run_async()
    return app.return_code or code or 0


async def warm_up(app: NostrApp) -> None:
    """Do once, when the first screen is there, what would otherwise stop the loop for 50 to 100 ms
    when a key is pressed: the first emoji has patterns compiled, and the garbage collector goes
    through everything that was imported, unless that is set aside."""
    await asyncio.sleep(WARM_UP_AFTER)
    safe_text("\U0001f469\u200d\U0001f680")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WARM_UP_LIMIT):
            await garbage.quiet(lambda: app.idle_seconds)
    garbage.set_aside()
    await garbage.collect_in_quiet(lambda: app.idle_seconds)


def environment_in(where: Paths, config: ClientConfig) -> Environment:
    """The environment of a real run in these folders. Raises ConfigError."""
    keys, commands = _own(where, config)
    starters = starter_relays()
    offers = [
        RelayOffer(relay.url, relay.operator)
        for relay in starters.relays
        if relay.role == "general"
    ]
    if config.relays:
        offers = [RelayOffer(url) for url in config.relays if not starters.end_of(url)]

    def in_use() -> ClientConfig:
        """The settings of the account in use."""
        account = accounts.current()
        return config.for_account(account.pubkey if account else "")

    async def probe(url: str) -> ProbeResult:
        return await probe_relay(url, in_use())

    async def resolve(name: str) -> tuple[str, tuple[str, ...]]:
        async with NostrClient.open(None, paths=where, config=in_use(), own_relay=False) as client:
            pubkey = await client.profiles.resolve(name)
            return pubkey, client.book.hints(pubkey)

    def check(url: str) -> AsyncIterator[CheckStep]:
        return check_relay(url, proxy=in_use().proxy, others=compared_with(url, config.relays))

    accounts = Accounts(where)
    accounts.bunkers = BunkerOptions(proxy=config.proxy, own_proxies=config.own_proxies)
    return Environment(
        paths=where,
        config=config,
        accounts=accounts,
        offers=offers,
        dated=starters.day,
        probe=probe,
        resolve=resolve,
        check=check,
        demo=demo,
        keys=keys,
        commands=commands,
    )


def _own(
    where: Paths, config: ClientConfig
) -> tuple[Mapping[str, tuple[str, ...]], Sequence[OwnCommand]]:
    """Keys and commands of the person's own. Raises InvalidSettings, which names the file."""
    try:
        keys = own_keys(config.keys, every_group()) if config.keys else {}
        where_commands_are = (EVERYWHERE, LIST, NOTE, PERSON)
        return keys, own_commands(config.commands, keys, where_commands_are)
    except InvalidSettings as error:
        problems = [f"{where.config / 'config.toml'}: {problem}" for problem in error.problems]
        raise InvalidSettings(problems) from None


async def probe_relay(url: str, config: ClientConfig) -> ProbeResult:
    """Ask a relay until it has answered a question; never raises."""
    took: float | None = None
    try:
        async with asyncio.timeout(PROBE_LIMIT):
            async for step in check_relay(url, proxy=config.proxy):
                if step.name == "websocket":
                    took = step.seconds
                if step.ok is False:
                    return ProbeResult(False, f"{step.name}: {step.detail}")
                if step.name == PROBED_STEP:
                    break
    except TimeoutError:
        return ProbeResult(False, f"no answer within {PROBE_LIMIT:.0f} s")
    except NostrError as error:
        return ProbeResult(False, str(error))
    return ProbeResult(True, f"answers, {latency(took)}")


@asynccontextmanager
async def demo() -> AsyncIterator[NostrClient]:
    """Five relays and a community on this machine, and a guest's client among them.

    Raises NostrError.
    """
    from nostr_client.rehearsal.community import Community
    from nostr_client.rehearsal.scratch_folder import scratch_folder

    with scratch_folder("nostr-demo-") as folder:
        async with Community.start(folder) as community, OwnedTasks() as tasks:
            guest = await community.join("you", "Just visiting.")
            tasks.start(community.live(guest))
            yield guest.client
