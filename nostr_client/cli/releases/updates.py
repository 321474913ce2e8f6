"""`nostr-client app update`, `rollback` and `trust`: another version, and whose are taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from nostr_client.cli import secret_input
from nostr_client.cli.releases.places import From, offers_at, places_named, refusal, refusals
from nostr_client.command_line.tree import Argument, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.releases.installation import Installed
    from nostr_client.releases.key_change import KeyChange

WITHOUT_OFFLINE = (
    "no offline key was named: if the release key is lost or stolen, no other can follow it, and "
    "this is named once; --offline NPUB names one"
)
_TAIL = 8
"""Characters of a key that a person types."""


def update(
    context: ClientContext,
    *,
    from_: From = None,
    new_key: Annotated[
        str, Option("--new-key", "NPUB", "Agree to this release key, if it was changed to it.")
    ] = "",
) -> None:
    """Take a newer release, if it is signed by the key of this installation; or change nothing."""
    from nostr_client.nips.nip19 import pubkey_of
    from nostr_client.releases.installation import Installation
    from nostr_client.releases.updating import update as take

    here = Installation.here()
    agree = _agree(context, pubkey_of(new_key) if new_key else "")

    with refusals():
        places = places_named(context, from_ or ())

    async def work() -> None:
        from nostr_client.cli.progress import progress

        began = time.monotonic()

        def words() -> str:
            return f"looking, fetching and checking, for {time.monotonic() - began:.0f} s"

        with refusals():
            async with progress(context, words), offers_at(context, places) as offers:
                proven, done = await take(here, offers, agree)
        file = proven.file
        record = {
            "version": done.version,
            "before": done.before or None,
            "path": str(done.path),
            "sha256": file.asset.sha256,
            "signed_by": file.signer,
            "signed_at": file.signed_at,
        }
        context.out.emit(record, _words(done))

    wait_for(work())


def _words(done: Installed) -> str:
    back = "; `nostr-client app rollback` leads back" if done.before else ""
    return f"nostr-client {done.version} is in use, as {done.path} starts it{back}"


def _agree(context: ClientContext, new_key: str) -> Callable[[Sequence[KeyChange]], bool]:
    """The person's word on another release key: that very key beforehand, or typed."""
    from nostr_client.nips.nip19 import encode_npub

    def agree(changes: Sequence[KeyChange]) -> bool:
        key = changes[-1].new.release_key
        npub = encode_npub(key)
        if new_key:
            return new_key == key
        warning = (
            f"The release key was changed to {npub}. The key before it and the offline key have"
            " both signed that. Ask people whether it is so."
        )
        if context.json or not secret_input.can_ask():
            words = f"{warning} Say so with --new-key {npub}"
            raise refusal(words, "key-change", Exit.USAGE, new_key=key)
        secret_input.confirm_typed(f"{warning} To take releases of it", npub[-_TAIL:])
        return True

    return agree


def rollback(context: ClientContext) -> None:
    """Use the version before again. What was in use is then the one before."""
    from nostr_client.releases.installation import Installation

    with refusals():
        done = Installation.here().roll_back()
    record = {"version": done.version, "before": done.before or None, "path": str(done.path)}
    context.out.emit(record, _words(done))


def trust(
    context: ClientContext,
    key: Annotated[str, Argument(metavar="NPUB", help="The key that signs releases.")],
    *,
    offline: Annotated[
        str, Option("--offline", "NPUB", "The key that it takes, too, to change that one.")
    ] = "",
) -> None:
    """Name the release key of an installation that was born without one. Once."""
    from nostr_client.nips.nip19 import encode_npub, pubkey_of
    from nostr_client.releases.installation import Installation
    from nostr_client.releases.origin import ReleaseKeys, check_keys

    here = Installation.here()
    named = ReleaseKeys(
        release_key=pubkey_of(key), offline_key=pubkey_of(offline) if offline else ""
    )
    check_keys(named)
    known = here.keys()
    if known is not None and known != named:
        raise refusal(
            f"this installation takes the releases of {encode_npub(known.release_key)}: another key"
            " follows only where that one and the offline key have both signed it",
            "key-change",
            Exit.USAGE,
        )
    here.trust(named)
    if not named.offline_key:
        context.out.note(WITHOUT_OFFLINE, {"warning": WITHOUT_OFFLINE})
    record = {"release_key": named.release_key, "offline_key": named.offline_key or None}
    context.out.emit(record, f"releases of {encode_npub(named.release_key)} are taken from now on")
