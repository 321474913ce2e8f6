"""A key that a script gives for one run: it signs, and is not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nostr_client.errors import InvalidKey
from nostr_client.exits import CommandError, Exit
from nostr_client.protocol.keys import SecretKey


class GivenKey(NamedTuple):
    """`source` says where it came from, as the person named it."""

    key: SecretKey
    source: str

    @property
    def pubkey(self) -> str:
        return self.key.public_key.hex


def read_given_key(text: str, source: str, ask: Callable[[str], str]) -> GivenKey:
    """The key that `text` holds, in whatever form `account import` takes.

    `ask` gives the password of an ncryptsec, and is told what for. Raises CommandError,
    DecryptionFailed.
    """
    from nostr_client.accounts.key_import import is_encrypted, read_key

    if not text.strip():
        raise CommandError(f"{source}: it is empty: no key was given", Exit.LOCKED)
    try:
        password = ask(f"the key in {source}") if is_encrypted(text) else None
        return GivenKey(read_key(text, password).key, source)
    except InvalidKey as error:
        raise CommandError(f"{source}: {error}", Exit.LOCKED) from None
