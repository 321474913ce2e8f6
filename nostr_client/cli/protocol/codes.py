"""`nostr-client encode` and `decode`: the codes that people pass on (NIP-19, NIP-21)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import add_pure_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context

Codes = Annotated[
    list[str],
    Argument("[CODE...]", "Any code, hex digits, address or name; without any, lines of input."),
]
People = Annotated[
    list[str], Argument("[WHO...]", "npub, nprofile or hex; without any, lines of input.")
]
Events = Annotated[
    list[str], Argument("[EVENT...]", "note, nevent or hex; without any, lines of input.")
]
Addresses = Annotated[
    list[str],
    Argument("[NAME...]", "A name (the d tag), or kind:pubkey:name; without any, lines of input."),
]
Relays = Annotated[list[str] | None, Option("--relay", "URL", "A relay that has it.", short="-r")]
Author = Annotated[str, Option("--author", "WHO", "Who wrote it: npub or hex.", short="-a")]
Kind = Annotated[int | None, Option("--kind", "N", "Its kind.", least=0, most=65535, short="-k")]
Reveal = Annotated[bool, Option("--reveal", help="Yes, print a secret key, on standard output.")]
SecretFd = Annotated[
    int | None, Option("--secret-fd", "N", "Read the secret from this file descriptor.")
]
IN_ARGUMENT = "everybody here can read an argument: give a secret key on standard input"
NOT_REVEALED = "a secret key is printed only if you say so: --reveal"


def decode(context: Context, codes: Codes, reveal: Reveal = False) -> None:
    """Say what codes mean: npub, nsec, note, nevent, nprofile, naddr, hex, an address, a name.

    A secret key is taken from standard input alone, and answered with its public key; with --reveal
    with its hex digits, and its nsec beside them with --json.
    """
    from nostr_client.cli.protocol.code_records import described, record_of

    def decoded(text: str) -> tuple[dict[str, Any], str]:
        record = record_of(text, reveal=reveal)
        return record, described(record)

    if any(word.strip().lower().removeprefix("nostr:").startswith("nsec1") for word in codes):
        raise CommandError(IN_ARGUMENT, Exit.USAGE)
    _each(context, codes, decoded)


def npub(context: Context, who: People) -> None:
    """The npub of a public key."""
    from nostr_client.nips import nip19

    _each(context, who, lambda text: _coded("npub", nip19.encode_npub(nip19.pubkey_of(text))))


def note(context: Context, events: Events) -> None:
    """The note1 of an event's id."""
    from nostr_client.nips import nip19

    _each(context, events, lambda text: _coded("note", nip19.encode_note(nip19.event_of(text).id)))


def nprofile(context: Context, who: People, relay: Relays = None) -> None:
    """A person, and relays where to find them."""
    from nostr_client.nips import nip19

    def encoded(text: str) -> tuple[dict[str, Any], str]:
        found = nip19.profile_of(text)
        near = _relays(relay) or found.relays
        return _coded("nprofile", nip19.encode_nprofile(found.pubkey, near))

    _each(context, who, encoded)


def nevent(
    context: Context,
    events: Events,
    relay: Relays = None,
    author: Author = "",
    kind: Kind = None,
) -> None:
    """An event, and where to find it, by whom and of which kind it is."""
    from nostr_client.cli.protocol.filter_options import of_option
    from nostr_client.nips import nip19

    by = of_option("--author", author, nip19.pubkey_of) if author else None

    def encoded(text: str) -> tuple[dict[str, Any], str]:
        found = nip19.event_of(text)
        near, known = _relays(relay) or found.relays, found.kind if kind is None else kind
        return _coded("nevent", nip19.encode_nevent(found.id, near, by or found.author, known))

    _each(context, events, encoded)


def naddr(
    context: Context,
    names: Addresses,
    relay: Relays = None,
    author: Author = "",
    kind: Kind = None,
) -> None:
    """What is replaced by newer versions: an article, a list, by kind, author and name."""
    from nostr_client.cli.protocol.code_records import address_in
    from nostr_client.cli.protocol.filter_options import of_option
    from nostr_client.nips import nip19

    by = of_option("--author", author, nip19.pubkey_of) if author else None

    def encoded(text: str) -> tuple[dict[str, Any], str]:
        found = address_in(text)
        if found is None:
            if kind is None or by is None:
                words = "--kind and --author are missing, or kind:pubkey:name instead of the name"
                raise CommandError(words, Exit.USAGE)
            found = nip19.Naddr(kind, by, text)
        code = nip19.encode_naddr(found.kind, found.pubkey, found.identifier, _relays(relay))
        return _coded("naddr", code)

    _each(context, names, encoded)


def nsec(context: Context, reveal: Reveal = False, secret_fd: SecretFd = None) -> None:
    """The nsec of a secret key, which is read from standard input or --secret-fd."""
    from nostr_client.cli.secret_input import read_secret_text
    from nostr_client.nips import nip19
    from nostr_client.protocol.keys import SecretKey, wiping

    if not reveal:
        raise CommandError(NOT_REVEALED, Exit.USAGE)
    text = read_secret_text(secret_fd, "Secret key (hex; hidden)")
    with wiping(SecretKey.parse(text)) as key:
        code = nip19.encode_nsec(key)
        pubkey, secret = key.public_key.hex, bytes(key).hex()
    record = {"type": "nsec", "code": code, "pubkey": pubkey, "nsec": code, "secret": secret}
    context.out.emit_secret(record, code)


def _each(
    context: Context,
    texts: Sequence[str],
    work: Callable[[str], tuple[dict[str, Any], str]],
) -> None:
    """One result for each of `texts`, or for each line of standard input where there are none.

    Those that are no use are told, and the others go on; the exit code says so. Where all the
    arguments are none it is that of a wrong use.
    """
    if len(texts) == 1:
        _emit(context, *work(texts[0]))
        return
    if texts:
        _each_argument(context, texts, work)
        return
    if sys.stdin.isatty():
        raise CommandError("nothing is given: name it, or pipe lines in", Exit.USAGE)
    from nostr_client.cli.protocol.json_lines import InputLines

    lines = InputLines(context)
    for line in lines:
        if (made := lines.parsed(line, lambda data: work(_text(data)))) is not None:
            _emit(context, *made)
    lines.conclude()


def _each_argument(
    context: Context, texts: Sequence[str], work: Callable[[str], tuple[dict[str, Any], str]]
) -> None:
    from nostr_client.errors import InvalidData

    refused = 0
    for number, text in enumerate(texts, 1):
        try:
            made = work(text)
        except InvalidData as error:
            refused += 1
            told = {"argument": number, "error": str(error)}
            context.out.note(f"argument {number}: {error}", told)
        else:
            _emit(context, *made)
    if refused:
        context.exit_code = Exit.USAGE if refused == len(texts) else Exit.INCOMPLETE


def _emit(context: Context, record: dict[str, Any], words: str) -> None:
    if secret := record.get("secret"):
        context.out.emit_secret(record, secret)
    else:
        context.out.emit(record, words)


def _text(data: bytes) -> str:
    from nostr_client.errors import InvalidCode

    try:
        return data.decode().strip()
    except UnicodeDecodeError:
        raise InvalidCode("this is not UTF-8 text") from None


def _coded(sort: str, code: str) -> tuple[dict[str, Any], str]:
    return {"type": sort, "code": code}, code


def _relays(given: Sequence[str] | None) -> tuple[str, ...]:
    """Relays as everybody spells them. Raises CommandError."""
    from nostr_client.cli.protocol.relay_arguments import relays_given

    return tuple(relays_given(given))


def add_to(root: Group) -> None:
    """`encode` is a group, `decode` stands beside it."""
    group = root.group("encode", "Write codes: npub, note, nprofile, nevent, naddr, nsec (NIP-19).")
    for function in (npub, note, nprofile, nevent, naddr, nsec):
        add_pure_command(group, function.__name__, function)
    add_pure_command(root, "decode", decode)
