"""`nostr-client relays auth`: which relays may know who you are (NIP-42)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import UNLOCKING, add_command
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.routing.auth_choices import AuthChoices

Url = Annotated[str, Argument(metavar="URL", help="wss://relay.example")]


def list_(context: ClientContext) -> None:
    """What you said about relays, apart from your own and those of people you write to."""
    from nostr_client.safe_text import safe_line

    for choice in _choices(context).all():
        words = "told who you are" if choice.allowed else "never told who you are"
        context.out.emit(
            {"relay": choice.url, "allowed": choice.allowed}, f"{safe_line(choice.url)}  {words}"
        )


def allow(context: ClientContext, url: Url) -> None:
    """A relay that wants to know who asks is told that it is you."""
    _say(context, url, True)


def deny(context: ClientContext, url: Url) -> None:
    """It is never told, even if it is on your own list."""
    _say(context, url, False)


def forget(context: ClientContext, url: Url) -> None:
    """Take back what you said about it."""
    from nostr_client.protocol.urls import normalize_relay_url

    said = wait_for(_choices(context).forget(normalize_relay_url(url)))
    context.out.emit(
        {"relay": normalize_relay_url(url), "changed": said},
        "taken back" if said else "nothing was said about it",
    )


def _say(context: ClientContext, url: str, allowed: bool) -> None:
    from nostr_client.protocol.urls import normalize_relay_url

    normal, choices = normalize_relay_url(url), _choices(context)
    changed = choices.of(normal) is not allowed
    if changed:
        wait_for(choices.choose(normal, allowed))
    account = context.must_act()
    words = f"is told that {account.label} asks" if allowed else f"is never told of {account.label}"
    context.out.emit(
        {"relay": normal, "allowed": allowed, "changed": changed}, f"{normal} {words}, if it asks"
    )


def _choices(context: ClientContext) -> AuthChoices:
    from nostr_client.routing.auth_choices import auth_choices

    account = context.must_act()
    if not account.can_sign:
        raise CommandError(
            f"{account.label} is watch-only: there is no key to tell a relay with", Exit.LOCKED
        )
    return auth_choices(context.paths.data, account.pubkey)


def add_to(relays: Group) -> None:
    """They stand in a group of their own, within that of the relays."""
    group = relays.group(
        "auth",
        "Which relays may know who you are (NIP-42): list, allow, deny, forget.",
        default="list",
    )
    add_command(group, "list", list_, UNLOCKING)
    for function in (allow, deny, forget):
        add_command(group, function.__name__, function, UNLOCKING)
