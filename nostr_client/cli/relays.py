"""`nostr-client relays`: where you write and read, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli import private_lists, relay_auth
from nostr_client.cli.command import ASKING, CLIENT, add_command
from nostr_client.cli.evacuate import retire
from nostr_client.cli.protocol import relay_info, relay_watch
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext

_MOST_TEXT: Final = 1 << 20
PLAN_LIMIT: Final = 20.0
"""Seconds until what waits is planned anew: a program that ends just now may hold the account."""
MOST_SHARED: Final = 6
"""Relays in a code: its picture has to fit a terminal."""
SEND_LIMIT: Final = 30.0
"""Seconds for what waits to reach relays that were found."""

Url = Annotated[str, Argument(metavar="URL", help="wss://relay.example")]
Without = Annotated[
    list[str] | None,
    Option("--without", metavar="URL", help="Do not insist on having read there first."),
]
StartEmpty = Annotated[
    bool,
    Option("--start-empty", help="It is right that no relay has a relay list of mine yet."),
]


def list_(context: ClientContext) -> None:
    """List the relays you write to and read from."""
    from nostr_client.cli import json_records, plain_lines
    from nostr_client.cli.outcomes import conclude

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            asked = await client.courier.fetch_lists([client.pubkey])
            rows = await client.relays.rows()
            for row in rows:
                context.out.emit(json_records.relay_record(row), plain_lines.relay_line(row))
            await conclude(context, client, asked.ends, shown=True, nothing="")

    wait_for(work())


def show(context: ClientContext, url: Url) -> None:
    """Say all that is known of a relay: its document, how it fares and why, what it delivered."""
    from nostr_client.cli import json_records, plain_lines
    from nostr_client.protocol.urls import normalize_relay_url

    address = normalize_relay_url(url)
    account = context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            client.book.policy.allow([address])
            await client.portraits.ask(address)
            rows = [row.url for row in await client.relays.rows() if not row.own]
            relay = await client.portraits.of(address, rows, plain_lines.short_name)
            context.out.emit(
                json_records.portrait_record(relay), "\n".join(plain_lines.portrait_lines(relay))
            )

    wait_for(work())


def add(
    context: ClientContext,
    url: Url,
    *,
    read: Annotated[bool, Option("--read-only", help="Only read there.")] = False,
    write: Annotated[bool, Option("--write-only", help="Only write there.")] = False,
    start_empty: StartEmpty = False,
    begin: Annotated[
        bool,
        Option("--begin", help="The list begins with this one, whatever others answer."),
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
    _warn_of_end(context, url)
    if not context.must_act().can_sign:
        _look(context, url, away=False)
        return
    publish(
        context,
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


def remove(context: ClientContext, url: Url, without: Without = None) -> None:
    """Take a relay off your list."""
    from nostr_client.cli.publish import publish

    if not context.must_act().can_sign:
        _look(context, url, away=True)
        return
    publish(
        context,
        lambda client: client.relays.remove(url, without=without or ()),
        unchanged="it is not on your list",
    )


def _look(context: ClientContext, url: str, *, away: bool) -> None:
    """Read an account without a key at `url`, or no longer. Nothing is published."""
    account = context.must_act()

    async def work() -> bool:
        async with context.reading(account, offline=True) as client:
            act = client.relays.stop_reading_from if away else client.relays.read_from
            return await act(url)

    changed = wait_for(work())
    done = "is no longer read there" if away else "is read there too, on this machine"
    words = f"{account.label} {done}; it is watch-only, so nothing was published"
    context.out.emit(
        {"changed": changed, "published": False}, words if changed else "nothing changed"
    )


def check(context: ClientContext, url: Url) -> None:
    """Is a relay down for everyone, or just for you? Says each step."""
    from nostr_client.cli import json_records, plain_lines
    from nostr_client.exits import CommandError
    from nostr_client.net.relay_check import STEP_LIMIT, check_relay
    from nostr_client.protocol.urls import normalize_relay_url
    from nostr_client.routing.address_policy import BLOCKED
    from nostr_client.routing.starter_relays import compared_with
    from nostr_client.social.blocked_relays import known_blocks

    address = normalize_relay_url(url)
    account = context.acting()
    config = context.config.for_account(account.pubkey if account else "")
    if account and address in known_blocks(context.paths.data, account.pubkey):
        raise CommandError(f"{address}: {BLOCKED}", Exit.USAGE)
    _warn_of_end(context, url)
    others = compared_with(address, config.relays)

    async def work() -> None:
        limit = context.timeout or STEP_LIMIT
        async for step in check_relay(address, proxy=config.proxy, others=others, limit=limit):
            context.out.emit(json_records.step_record(address, step), plain_lines.step_line(step))
            if step.ok is False:
                context.exit_code = Exit.ERROR

    wait_for(work())


def _warn_of_end(context: ClientContext, url: str) -> None:
    """Say that a relay is gone, where the packaged list knows it."""
    from nostr_client.routing.starter_relays import starter_relays

    if end := starter_relays().end_of(url):
        context.out.note(f"{url}: {end}")


def find(
    context: ClientContext,
    where: Annotated[
        list[str] | None,
        Argument(
            metavar="[WHERE]...",
            help="Relay URLs, an nprofile, a file that names some, a picture of a QR code.",
        ),
    ] = None,
    *,
    nearby: Annotated[
        bool,
        Option("--local-network", help="Look there, too; anybody on it may say to be a relay."),
    ] = False,
) -> None:
    """None of your relays answers: look for others that do, rung by rung.

    What answers stands in for a week; your relay list stays as it is (see `evacuate`).
    """
    from nostr_client.resilience.ladder import relays_named

    given = relays_named("\n".join(map(_text_at, where or ())))
    if where and not given:
        context.out.note("no relay is named there")
    account = context.must_act()

    async def work() -> bool:
        reached = False
        async with context.reading(account) as client:
            async for climbed in client.ladder.climb(given, nearby=nearby):
                reached = reached or bool(climbed.reached)
                if climbed.problem:
                    context.out.note(climbed.problem, {"problem": climbed.problem})
                for url in climbed.tried:
                    there = url in climbed.reached
                    record = {"rung": climbed.rung.name.lower(), "relay": url, "reached": there}
                    words = "answers" if there else "does not answer"
                    context.out.emit(record, f"{climbed.rung}: {url} {words}")
            if reached:  # what waited goes to them
                await client.replication.planned(PLAN_LIMIT)
                await client.replication.drain(SEND_LIMIT)
        return reached

    if not wait_for(work()):
        context.out.note("nobody was reached: what you wrote is kept here until somebody is")
        if not (nearby or context.config.local_network):
            context.out.note("`--local-network` looks for relays of others in this network, too")
        context.exit_code = Exit.NO_ANSWER


def share(
    context: ClientContext,
    urls: Annotated[
        list[str] | None,
        Argument(metavar="[URL]...", help="Default: where you write."),
    ] = None,
    *,
    qr: Annotated[bool, Option("--qr", help="Show it as a QR code, too, for a friend.")] = False,
) -> None:
    """Print a code that says who you are and which relays you use (an nprofile).

    Somebody who reaches nobody any more gives it to `relays find`.
    """
    from nostr_client.exits import CommandError
    from nostr_client.nips.nip19 import encode_nprofile
    from nostr_client.protocol.urls import normalize_relay_url

    account = context.must_act()
    named = tuple(map(normalize_relay_url, urls or ()))

    async def written() -> tuple[str, ...]:
        async with context.reading(account, offline=True) as client:
            mine = await client.relays.rows()
        return tuple(row.url for row in mine if row.write and not (row.own or row.gone))

    relays = (named or wait_for(written()))[:MOST_SHARED]
    if not relays:
        raise CommandError("you write to no relay that could be named", Exit.NOT_FOUND)
    code = encode_nprofile(account.pubkey, relays)
    context.out.emit({"nprofile": code, "relays": list(relays)}, code)
    if qr and not context.json:
        from nostr_client.cli.bunker_codes import shown_code

        context.out.note(shown_code(f"nostr:{code}"))


def _text_at(where: str) -> str:
    """What a file of this name holds, the QR codes of a picture; or else the words themselves.

    Raises CommandError, InvalidData, ConfigError.
    """
    from nostr_client.accounts.qr_pictures import MOST_BYTES, codes_in, is_picture
    from nostr_client.exits import CommandError

    path = Path(where)
    try:
        if not path.is_file():
            return where
        with path.open("rb") as file:
            data = file.read(_MOST_TEXT)
            if is_picture(data):
                return "\n".join(codes_in(data + file.read(MOST_BYTES)))
        return data.decode("utf-8", "replace")
    except OSError as error:
        raise CommandError(f"cannot read {where}: {error.strerror or error}", Exit.ERROR) from error


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group(
        "relays",
        "Relays, yours and others: list, show, add, remove, retire, info, check, watch, find...",
        default="list",
    )
    add_command(group, "list", list_, CLIENT)
    add_command(group, "show", show, CLIENT)
    add_command(group, "add", add, CLIENT)
    add_command(group, "remove", remove, CLIENT)
    add_command(group, "retire", retire, CLIENT)
    relay_info.add_to(group)
    add_command(group, "check", check, ASKING)
    relay_watch.add_to(group)
    add_command(group, "find", find, CLIENT)
    add_command(group, "share", share, CLIENT)
    add_command(group, "block", private_lists.block, CLIENT)
    add_command(group, "unblock", private_lists.unblock, CLIENT)
    add_command(group, "blocked", private_lists.list_blocked, CLIENT)
    relay_auth.add_to(group)
