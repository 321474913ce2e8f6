"""`nostr-client key`: secret keys, made, looked at and locked; none is kept.

They come in by standard input or a file descriptor, and go out on standard output, where that is
asked for in so many words.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli import secret_input
from nostr_client.cli.command import KEEPING, add_command
from nostr_client.cli.protocol.codes import IN_ARGUMENT, NOT_REVEALED, Reveal, SecretFd
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.errors import InvalidData, InvalidKey
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.accounts.key_import import ImportedKey
    from nostr_client.cli.context import ClientContext
    from nostr_client.protocol.keys import SecretKey

Encrypted = Annotated[
    bool, Option("--encrypted", help="Print it encrypted with a password (ncryptsec, NIP-49).")
]
Work = Annotated[
    int,
    Option("--log-n", "N", "How much work a guess takes: 2 to the N.", least=10, most=22),
]


def generate(
    context: ClientContext, reveal: Reveal = False, encrypted: Encrypted = False, log_n: Work = 16
) -> None:
    """Make a key: print its nsec (--reveal), or an ncryptsec (--encrypted). It is not kept."""
    from nostr_client.protocol.keys import SecretKey, wiping

    if reveal == encrypted:
        words = "how is the secret key to be printed: --encrypted, or as it is, --reveal?"
        raise CommandError(words, Exit.USAGE)
    with wiping(SecretKey.generate()) as key:
        _print(context, key, log_n if encrypted else None, security=1)


def public(context: ClientContext, secret_fd: SecretFd = None) -> None:
    """Say whose a secret key is: its npub."""
    imported = _read(context, secret_fd)
    imported.key.wipe()
    _emit_public(context, imported.key)


def encrypt(context: ClientContext, secret_fd: SecretFd = None, log_n: Work = 16) -> None:
    """Lock a secret key with a password: an ncryptsec (NIP-49)."""
    from nostr_client.protocol.keys import wiping

    imported = _read(context, secret_fd, "a bare secret key, and no ncryptsec")
    with wiping(imported.key) as key:
        _print(context, key, log_n, imported.security)


def decrypt(context: ClientContext, secret_fd: SecretFd = None, reveal: Reveal = False) -> None:
    """Open an ncryptsec with its password, and print the nsec."""
    from nostr_client.protocol.keys import wiping

    if not reveal:
        raise CommandError(NOT_REVEALED, Exit.USAGE)
    with wiping(_read(context, secret_fd).key) as key:
        _print(context, key)


def validate(
    context: ClientContext,
    who: Annotated[
        list[str], Argument("[WHO...]", "Public keys; without any, a key on standard input.")
    ],
    secret_fd: SecretFd = None,
) -> None:
    """Say whether a key is one: on the curve, its checksum right. Ends with 1 if any is not."""
    from nostr_client.nips import nip19

    if any(word.strip().lower().startswith(("nsec1", "ncryptsec1")) for word in who):
        raise CommandError(IN_ARGUMENT, Exit.USAGE)
    for text in who:
        try:
            _emit_valid(context, "public", nip19.pubkey_of(text))
        except InvalidData as error:
            _emit_invalid(context, str(error))
    if not who:
        text = secret_input.read_secret_text(secret_fd, "Key (hidden)")
        _validate_given(context, text)


def _validate_given(context: ClientContext, text: str) -> None:
    """A secret key, whatever its form, or a public one. A locked one is not opened."""
    from nostr_client.accounts.key_import import is_encrypted, read_key
    from nostr_client.nips import nip19, nip49

    try:
        if text.strip().lower().startswith(("npub1", "nprofile1")):
            _emit_valid(context, "public", nip19.pubkey_of(text))
        elif is_encrypted(text):
            nip49.work_of(text)
            _emit_valid(context, "encrypted", None)
        else:
            key = read_key(text).key
            key.wipe()
            _emit_valid(context, "secret", key.public_key.hex)
    except InvalidData as error:
        _emit_invalid(context, str(error))


def _emit_valid(context: ClientContext, sort: str, pubkey: str | None) -> None:
    from nostr_client.nips import nip19

    npub = nip19.encode_npub(pubkey) if pubkey else None
    record = {"valid": True, "sort": sort, "pubkey": pubkey, "npub": npub, "why": ""}
    context.out.emit(record, f"valid  {sort}{f'  {npub}' if npub else ''}")


def _emit_invalid(context: ClientContext, why: str) -> None:
    record = {"valid": False, "sort": None, "pubkey": None, "npub": None, "why": why}
    context.out.emit(record, f"not valid: {why}")
    context.exit_code = Exit.ERROR


def _read(context: ClientContext, descriptor: int | None, wanted: str = "") -> ImportedKey:
    """The key that is given. With `wanted`, an encrypted one is refused with these words. Raises
    CommandError, InvalidKey, DecryptionFailed."""
    from nostr_client.accounts.key_import import is_encrypted, read_key

    text = secret_input.read_secret_text(descriptor)
    if not text.strip():
        raise InvalidKey("no key was given")
    password: str | None = None
    if is_encrypted(text):
        if wanted:
            raise CommandError(f"this takes {wanted}", Exit.USAGE)
        password = context.given_password
        if password is None:
            password = secret_input.ask_hidden("Its password")
    return read_key(text, password)


def _print(
    context: ClientContext, key: SecretKey, log_n: int | None = None, security: int = 0
) -> None:
    """The key on standard output: bare, or encrypted with 2**`log_n` of work."""
    from nostr_client.nips import nip19, nip49

    pubkey = key.public_key.hex
    known: dict[str, Any] = {"npub": nip19.encode_npub(pubkey), "pubkey": pubkey}
    if log_n is None:
        nsec = nip19.encode_nsec(key)
        context.out.emit_secret({**known, "nsec": nsec, "secret": bytes(key).hex()}, nsec)
        return
    from nostr_client.accounts.key_vault import check_password

    password = context.given_password
    if password is None:
        password = secret_input.ask_new_password("New password for this key")
    check_password(password)
    code = nip49.encrypt(key, password, log_n, security)
    context.out.emit_secret({**known, "ncryptsec": code}, code)
    if sys.stderr.isatty():
        context.out.note("It is worth nothing without its password, and everything with it.")


def _emit_public(context: ClientContext, key: SecretKey) -> None:
    from nostr_client.nips import nip19

    pubkey = key.public_key.hex
    npub = nip19.encode_npub(pubkey)
    context.out.emit({"npub": npub, "pubkey": pubkey}, npub)


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group(
        "key", "Keys that are not kept: generate, public, encrypt, decrypt, validate."
    )
    for function in (generate, public, encrypt, decrypt, validate):
        add_command(group, function.__name__, function, KEEPING)
