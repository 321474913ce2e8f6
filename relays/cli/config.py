"""`relay init` and `relay config check`: a configuration to begin with, and what one means."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relays.cli.common import PROFILES, add_json

if TYPE_CHECKING:
    from relays.cli.common import Commands
    from relays.config.relay_config import RelayConfig

REACHES: Final = ("here", "proxy", "onion")
_FAILED: Final = 1
_TRIES: Final = 5


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    init = commands.add_parser("init", help="write a configuration to begin with")
    init.add_argument("file", nargs="?", type=Path, metavar="FILE", help="where (relay.toml)")
    init.add_argument("--profile", choices=PROFILES, help="whom the relay is for")
    init.add_argument("--pubkey", metavar="NPUB", help="your public key; empty: none")
    init.add_argument("--reach", choices=REACHES, help="where the relay will be reached")
    init.add_argument("--domain", help="the name under which a proxy or Tor makes it known")
    add_json(init)
    init.set_defaults(command=_init)
    config = commands.add_parser("config", help="look at a configuration")
    verbs = config.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = verbs.add_parser("check", help="say what is wrong, or what it means")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="settings, in TOML")
    add_json(check)
    check.set_defaults(command=_check)


# relay config check


def _check(options: argparse.Namespace) -> int:
    from relays.config.explain import meaning
    from relays.config.relay_config import read_config

    config, problems = read_config(options.file)
    problems = problems or _unusable(config)
    lines = [] if problems else meaning(config)
    if options.json:
        from nostr_client.output import Output

        Output(True).emit({"sound": not problems, "problems": problems, "meaning": lines}, "")
        return _FAILED if problems else 0
    where = f"{options.file}: " if options.file is not None else ""
    for problem in problems:
        sys.stderr.write(f"{where}{problem}\n")
    if problems:
        return _FAILED
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _unusable(config: RelayConfig) -> list[str]:
    """What can be read and cannot be used: words, networks, a keeper's own policies."""
    from nostr_client.errors import ConfigError, InvalidData
    from relays.networks import Networks
    from relays.policies.banned_words import without_words
    from relays.policies.plugin import file_of
    from relays.policies.python_policy import PythonPolicy
    from relays.server.tls import certificate
    from relays.sync.mirror import check_mirror

    wrong: list[str] = []
    for path, sub_relay in (("", config), *((f"rooms.{n}.", r) for n, r in config.rooms.items())):
        for word in sub_relay.events.words:
            try:
                without_words([word])
            except InvalidData as error:
                wrong.append(f"{path}events.words: {word!r}: {error}")
        for mirror in sub_relay.mirror:
            try:
                check_mirror(mirror)
            except ConfigError as error:
                wrong.append(f"{path}{error}")
        own = sub_relay.policies
        for name in dict.fromkeys((*own.python, *own.questions)):
            try:
                custom = PythonPolicy(name, folder=own.folder)
            except ConfigError as error:
                wrong.append(f"{path}{error}")
                continue
            if custom.is_async and name in own.questions:
                wrong.append(f"{path}policies.questions: {name} is async, and must not be")
        for command in own.plugins:
            file = file_of(command, own.folder)
            if file is not None and "/" in command and not os.access(file, os.X_OK):
                wrong.append(f"{path}policies.plugins: {file} is not there, or not executable")
    try:
        Networks(config.web.trusted_proxies)
    except ConfigError as error:
        wrong.append(f"web.trusted_proxies: {error}")
    try:
        certificate(config.web.tls_certificate, config.web.tls_key)
    except ConfigError as error:
        wrong.append(str(error))
    return wrong


# relay init


def _init(options: argparse.Namespace) -> int:
    from nostr_client.errors import ConfigError
    from nostr_client.paths import private_folder
    from relays.cli.init_template import Answers, template
    from relays.config.relay_config import load_config

    file: Path = options.file or Path("relay.toml")
    if file.exists():
        raise ConfigError(f"{file} is there already, and stays as it is")
    profile = _profile(options)
    answers = Answers(profile, _key(options, needed=profile == "personal"), *_place(options))
    text = template(answers, file)
    private_folder(file.absolute().parent)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{file} is there already, and stays as it is") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    load_config(file)
    from nostr_client.output import Output

    output, command = Output(options.json), f"nostr-client relay run --config {file}"
    output.note(f"{file} is written. Look it over, then:")
    output.emit({"file": str(file), "run": command}, command)
    return 0


_PURPOSES: Final = (
    ("personal", "me: my notes, what mentions me, private messages, an archive of my own"),
    ("community", "a community: members write and read, and invite"),
    ("public", "everybody: with proof of work and rates"),
    ("archive", "readers only: fed by imports and mirrors"),
    ("open", "programs on this machine: no rules but sizes"),
)
_PLACES: Final = (
    ("here", "on this machine only"),
    ("proxy", "on the Internet, behind a proxy such as Caddy or nginx"),
    ("onion", "as an onion service of Tor"),
)


def _profile(options: argparse.Namespace) -> str:
    return options.profile or _chosen("Whom is the relay for?", _PURPOSES, "--profile")


def _key(options: argparse.Namespace, *, needed: bool) -> str:
    """The keeper's key as npub; empty for none."""
    from nostr_client.errors import ConfigError
    from nostr_client.nips.nip19 import encode_npub
    from relays.config.values import pubkey_of

    given: str | None = options.pubkey
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
        if options.pubkey is not None:
            raise ConfigError(f"--pubkey: {wrong}")
        sys.stderr.write(f"{wrong}\n")
        given = None
    raise ConfigError("--pubkey: npub1... or 64 hex digits are wanted")


def _place(options: argparse.Namespace) -> tuple[str, str]:
    """How it is reached, and its public URL."""
    from nostr_client.errors import ConfigError, InvalidData

    reach = options.reach or ("proxy" if options.domain else "")
    reach = reach or _chosen("Where will it be reached?", _PLACES, "--reach")
    if reach == "here":
        return reach, ""
    if options.domain is not None:
        try:
            return reach, _url(options.domain, reach)
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
