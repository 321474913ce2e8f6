"""`nostr-client relay init`: a configuration to begin with, from a few questions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from nostr_client.command_line.tree import Argument, Group, Option
from relays.cli.command import PLAIN, add_command
from relays.config.purposes import PURPOSES, Profile

if TYPE_CHECKING:
    from relays.cli.context import RelayContext

_TRIES: Final = 5

Reach = Literal["here", "proxy", "onion"]


def init(
    context: RelayContext,
    file: Annotated[Path | None, Argument("[FILE]", "Where (relay.toml).")] = None,
    *,
    profile: Annotated[Profile | None, Option("--profile", help="Whom the relay is for.")] = None,
    pubkey: Annotated[
        str | None, Option("--pubkey", "NPUB", "Your public key; empty: none.")
    ] = None,
    reach: Annotated[
        Reach | None, Option("--reach", help="Where the relay will be reached.")
    ] = None,
    domain: Annotated[
        str | None,
        Option("--domain", "NAME", "The name under which a proxy or Tor makes it known."),
    ] = None,
) -> None:
    """Write a configuration to begin with."""
    from nostr_client.errors import ConfigError
    from nostr_client.paths import private_folder
    from relays.cli.init_template import Answers, template
    from relays.config.relay_config import load_config

    file = file or Path("relay.toml")
    if file.exists():
        raise ConfigError(f"{file} is there already, and stays as it is")
    chosen = profile or _chosen("Whom is the relay for?", tuple(PURPOSES.items()), "--profile")
    npub = _key(pubkey, needed=chosen == "personal")
    text = template(Answers(chosen, npub, *_place(reach, domain)), file)
    private_folder(file.absolute().parent)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{file} is there already, and stays as it is") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    load_config(file)
    command = f"nostr-client relay run --config {file}"
    context.out.note(f"{file} is written. Look it over, then:")
    context.out.emit({"file": str(file), "run": command}, command)


_PLACES: Final = (
    ("here", "on this machine only"),
    ("proxy", "on the Internet, behind a proxy such as Caddy or nginx"),
    ("onion", "as an onion service of Tor"),
)


def _key(given: str | None, *, needed: bool) -> str:
    """The keeper's key as npub; empty for none."""
    from nostr_client.errors import ConfigError
    from nostr_client.nips.nip19 import encode_npub
    from relays.config.values import pubkey_of

    was_given = given is not None
    for _ in range(_TRIES):
        if given is None:
            given = _asked("Your public key (npub...), or nothing: ", "--pubkey")
        if not given:
            if not needed:
                return ""
            wrong = "a personal relay is somebody's: it needs your npub"
        else:
            try:
                return encode_npub(pubkey_of(given))
            except ValueError as error:
                wrong = f"this is no public key: {error}"
        if was_given:
            raise ConfigError(f"--pubkey: {wrong}")
        sys.stderr.write(f"{wrong}\n")
        given = None
    raise ConfigError("--pubkey: npub1... or 64 hex digits are wanted")


def _place(reach: str | None, domain: str | None) -> tuple[str, str]:
    """How it is reached, and its public URL."""
    from nostr_client.errors import ConfigError, InvalidData

    reach = reach or ("proxy" if domain else "")
    reach = reach or _chosen("Where will it be reached?", _PLACES, "--reach")
    if reach == "here":
        return reach, ""
    if domain is not None:
        try:
            return reach, _url(domain, reach)
        except InvalidData as error:
            raise ConfigError(f"--domain: {error}") from None
    what = "Its domain (relay.example.com): " if reach == "proxy" else "Its .onion address: "
    for _ in range(_TRIES):
        try:
            return reach, _url(_asked(what, "--domain"), reach)
        except InvalidData as error:
            sys.stderr.write(f"{error}\n")
    raise ConfigError("--domain: a name such as relay.example.com is wanted")


def _url(domain: str, reach: str) -> str:
    """The relay's URL under that name. Raises InvalidData for what is no name."""
    from nostr_client.errors import InvalidData
    from nostr_client.protocol.urls import normalize_relay_url

    bare = domain.removeprefix("wss://").removeprefix("ws://").strip("/")
    if not bare:
        raise InvalidData("a name such as relay.example.com is wanted")
    url = normalize_relay_url(f"{'ws' if reach == 'onion' else 'wss'}://{bare}")
    if reach == "onion" and not bare.partition(":")[0].endswith(".onion"):
        raise InvalidData("an onion service has an address that ends in .onion")
    return url


def _chosen(question: str, choices: tuple[tuple[str, str], ...], option: str) -> str:
    from nostr_client.errors import ConfigError

    lines = [f"  {number}  {words}" for number, (_, words) in enumerate(choices, 1)]
    names = [name for name, _ in choices]
    for _ in range(_TRIES):
        answer = _asked("\n".join([question, *lines, "Number: "]), option)
        if answer in names:
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return names[int(answer) - 1]
    raise ConfigError(f"{option}: one of {', '.join(names)} is wanted")


def _asked(question: str, option: str) -> str:
    """What somebody answers on the terminal. Raises ConfigError where nobody is there."""
    from nostr_client.errors import ConfigError

    if not sys.stdin.isatty():
        raise ConfigError(f"nobody is there to be asked: give {option}")
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise ConfigError("no answer")
    return line.strip()


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "init", init, PLAIN)
