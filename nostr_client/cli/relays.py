"""`nostr-client relays`: where you write and read, and what is wrong with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nostr_client.cli.command import CLIENT, PLAIN, add_command, group_with_default
from nostr_client.cli.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.run import Run

app = typer.Typer(cls=group_with_default("list"), help="Your relays: list, add, remove, check.")

Url = Annotated[str, typer.Argument(metavar="URL", help="wss://relay.example")]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="URL", help="Do not insist on having read there first."),
]
StartEmpty = Annotated[
    bool,
    typer.Option("--start-empty", help="It is right that no relay has a relay list of mine yet."),
]


def list_(run: Run) -> None:
    """List the relays you write to and read from."""
    from nostr_client.cli import show
    from nostr_client.cli.outcomes import conclude

    account = run.must_act()

    async def work() -> None:
        async with run.reading(account) as client:
            asked = await client.courier.fetch_lists([client.pubkey])
            for row in await client.relays.rows():
                run.out.emit(show.relay_record(row), show.relay_line(row))
            await conclude(run, client, asked.ends, shown=True, nothing="")

    wait_for(work())


def add(
    run: Run,
    url: Url,
    *,
    read: Annotated[bool, typer.Option("--read-only", help="Only read there.")] = False,
    write: Annotated[bool, typer.Option("--write-only", help="Only write there.")] = False,
    start_empty: StartEmpty = False,
    begin: Annotated[
        bool,
        typer.Option("--begin", help="The list begins with this one, whatever others answer."),
    ] = False,
    without: Without = None,
) -> None:
    """Add a relay to your list, or change its role.

    For an account that is only watched: read it there too, on this machine.
    """
    from nostr_client.cli.publish import publish
    from nostr_client.exits import CommandError

    if read and write:
        raise CommandError("--read-only and --write-only exclude each other", Exit.USAGE)
    _warn_of_end(run, url)
    if not run.must_act().can_sign:
        _look(run, url, away=False)
        return
    publish(
        run,
        lambda client: client.relays.add(
            url,
            read=not write,
            write=not read,
            allow_empty=start_empty,
            without=without or (),
            begin=begin,
        ),
        unchanged="it is on your list already",
    )


def remove(run: Run, url: Url, without: Without = None) -> None:
    """Take a relay off your list."""
    from nostr_client.cli.publish import publish

    if not run.must_act().can_sign:
        _look(run, url, away=True)
        return
    publish(
        run,
        lambda client: client.relays.remove(url, without=without or ()),
        unchanged="it is not on your list",
    )


def _look(run: Run, url: str, *, away: bool) -> None:
    """Read an account without a key at `url`, or no longer. Nothing is published."""
    account = run.must_act()

    async def work() -> bool:
        async with run.reading(account, offline=True) as client:
            act = client.relays.stop_reading_from if away else client.relays.read_from
            return await act(url)

    changed = wait_for(work())
    done = "is no longer read there" if away else "is read there too, on this machine"
    words = f"{account.label} {done}; it is watch-only, so nothing was published"
    run.out.emit({"changed": changed, "published": False}, words if changed else "nothing changed")


def check(run: Run, url: Url) -> None:
    """Is a relay down for everyone, or just for you? Says each step."""
    from nostr_client.cli import show
    from nostr_client.config import load_config
    from nostr_client.net.relay_check import check_relay
    from nostr_client.protocol.urls import normalize_relay_url
    from nostr_client.routing.starter_relays import compared_with

    address = normalize_relay_url(url)
    config = load_config(run.paths.config / "config.toml")
    _warn_of_end(run, url)
    others = compared_with(address, config.relays)

    async def work() -> None:
        async for step in check_relay(address, proxy=config.proxy, others=others):
            run.out.emit(show.step_record(address, step), show.step_line(step))
            if step.ok is False:
                run.exit_code = Exit.ERROR

    wait_for(work())


def _warn_of_end(run: Run, url: str) -> None:
    """Say that a relay is gone, where the packaged list knows it."""
    from nostr_client.routing.starter_relays import starter_relays

    if end := starter_relays().end_of(url):
        run.out.note(f"{url}: {end}")


add_command(app, "list", list_, CLIENT)
add_command(app, "add", add, CLIENT)
add_command(app, "remove", remove, CLIENT)
add_command(app, "check", check, PLAIN)
