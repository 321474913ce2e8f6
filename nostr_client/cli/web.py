"""`nostr-client web`: the terminal client in a browser."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from nostr_client.cli.command import PLAIN, add_command
from nostr_client.command_line.tree import Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext

WITHOUT_EXTRA = 'the browser needs the extra `web`: pip install "nostr-client[web]"'


def web(
    context: ClientContext,
    host: Annotated[
        str, Option("--host", "ADDRESS", "Listen here, if not on this machine's own address.")
    ] = "127.0.0.1",
    port: Annotated[
        int, Option("--port", "N", "Listen on this port, if not on any.", least=0, most=65535)
    ] = 0,
    url: Annotated[
        str | None,
        Option("--url", "URL", "Where browsers find it, if a proxy stands before it."),
    ] = None,
    not_only_here: Annotated[
        bool,
        Option("--not-only-here", help="Listen where other machines come in; unencrypted."),
    ] = False,
) -> None:
    """The terminal client in a browser on this machine, until Ctrl-C; prints a one-time link."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise CommandError("--host is an address, as 127.0.0.1 or ::1", Exit.USAGE) from None
    if not address.is_loopback and not not_only_here:
        raise CommandError(
            f"{address} is reached from other machines, unencrypted: --not-only-here", Exit.USAGE
        )
    if address.is_unspecified and url is None:
        raise CommandError("where do browsers find it? Say --url URL", Exit.USAGE)
    wait_for(_serve(context, str(address), port, None if url is None else _origin(url)))


async def _serve(context: ClientContext, host: str, port: int, public: str | None) -> None:
    import asyncio

    try:
        from nostr_client.cli.web_server import web_server
    except ImportError:
        raise CommandError(WITHOUT_EXTRA) from None
    try:
        async with web_server(context.out, host, port, public) as link:
            context.out.emit({"url": link}, link)
            context.out.note("The link works once. Ctrl-C ends this, and every session.")
            await asyncio.Event().wait()
    except OSError as error:
        raise CommandError(f"cannot listen on {host}: {error.strerror}") from None


def _origin(url: str) -> str:
    """What a browser calls the origin of `url`. Raises CommandError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
        raise CommandError("--url is an http or https URL without a path", Exit.USAGE)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "web", web, PLAIN)
